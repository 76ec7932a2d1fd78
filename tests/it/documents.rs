//! What the documents list is what the library has.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use tablewright::plan::Code;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The document of all findings.
fn findings() -> String {
    let mut document = "\
# Findings

Each plan is looked through before anything is written, and what a careful reviewer would say of it has a code. An error
refuses the deploy; `Allow: [TW020]` among the resource properties (`allow` of the construct) accepts it, and the finding
is a note then. Warnings are in the plan, in the log and, by their codes, in the answer. `tablewright explain TW020` says
the same as this page.

| code | severity | finding |
|---|---|---|
"
    .to_owned();
    for code in Code::ALL {
        writeln!(
            document,
            "| [{code}](#{}) | {} | {} |",
            anchor(*code),
            code.severity(),
            code.title()
        )
        .unwrap();
    }
    for code in Code::ALL {
        writeln!(document, "\n## {code}\n\n**{}.** {}", sentence(code.title()), code.explanation())
            .unwrap();
    }
    document
}

fn anchor(code: Code) -> String {
    code.to_string().to_lowercase()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[test]
fn every_finding_is_explained_in_the_documents() {
    let path = "docs/findings.md";
    let wanted = findings();
    if std::env::var_os("TABLEWRIGHT_WRITE_SCHEMAS").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &wanted).unwrap();
    }
    assert!(read(path) == wanted, "`make schemas` writes {path} anew");
}

#[test]
fn every_function_of_expressions_is_in_the_documents() {
    let documented = read("src/authoring/declarative.rs");
    let rows: Vec<_> = documented
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with("| `"))
        .collect();
    let document = read("docs/yaml.md");
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        assert!(document.contains(row), "docs/yaml.md lacks {row}");
    }
}
