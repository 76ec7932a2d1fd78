//! A folder of migration files: which of its files are migrations, and their texts in order.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Fault, Language, Source};
use crate::migrator::compare_ids;

/// Ending of files that hold what a migration is tested with.
const FIXTURES: &str = ".test.yaml";

/// Reads the migrations of a folder, in the order of their ids: each file whose name begins with a digit, `NNNN_name.yaml`
/// or `NNNN_name.js`. Fixtures (`NNNN_name.test.yaml`), other names and subfolders are left alone.
///
/// # Errors
/// A folder or a file that cannot be read, one that is named like a migration and is of no known kind or too long, and
/// two of one id; all of them together.
pub fn folder(path: &Path) -> Result<Vec<Source>, Vec<Fault>> {
    let listing = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let unreadable = |error| {
        vec![
            Fault::new(shown(path), format!("the folder of migrations cannot be read: {error}"))
                .fix("make it, or name another one"),
        ]
    };
    let mut files: Vec<PathBuf> =
        listing.map_err(unreadable)?.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    let (mut sources, mut faults) = (Vec::<Source>::new(), Vec::new());
    for file in files.iter().filter(|file| file.is_file()) {
        match source(file) {
            None => {}
            Some(Err(fault)) => faults.push(fault),
            Some(Ok(source)) => sources.push(source),
        }
    }
    sources.sort_by(|a, b| compare_ids(&a.id, &b.id));
    faults.extend(sources.windows(2).filter(|pair| pair[0].id == pair[1].id).map(|pair| {
        Fault::new(&pair[1].file, format!("it has the id of {}, {}", pair[0].file, pair[0].id))
            .fix("give it the next number")
    }));
    if faults.is_empty() { Ok(sources) } else { Err(faults) }
}

/// A file as a migration; nothing where it is none.
fn source(path: &Path) -> Option<Result<Source, Fault>> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    if !name.starts_with(|c: char| c.is_ascii_digit()) || name.ends_with(FIXTURES) {
        return None;
    }
    let file = shown(path);
    let (id, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    let language = match ending {
        "yaml" => Language::Yaml,
        "js" => Language::JavaScript,
        other => {
            let other = if other.is_empty() { "none".to_owned() } else { format!(".{other}") };
            return Some(Err(Fault::new(
                file,
                format!("its name begins with a digit like that of a migration, and its ending is {other}"),
            )
            .fix("name a migration NNNN_name.yaml or NNNN_name.js, and anything else without a digit in front")));
        }
    };
    Some(text(path, &file).map(|text| Source { id: id.to_owned(), language, file, text }))
}

fn text(path: &Path, file: &str) -> Result<String, Fault> {
    let bytes =
        fs::read(path).map_err(|error| Fault::new(file, format!("it cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        Fault::new(
            file,
            format!("it is no UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
        )
        .fix("save it as UTF-8")
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own, gone at the end of the test.
    struct Folder(PathBuf);

    impl Folder {
        fn of(name: &str, files: &[(&str, &[u8])]) -> Self {
            let path =
                std::env::temp_dir().join(format!("tablewright-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("9_folder.yaml")).unwrap();
            for (name, text) in files {
                fs::write(path.join(name), text).unwrap();
            }
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn files_with_a_number_are_migrations_in_the_order_of_their_ids() {
        let kept = [("10_c.js", "js"), ("9_b.yaml", "b"), ("0001_a.yaml", "a")];
        let others = ["README.md", "tablewright.d.ts", "0001_a.test.yaml", ".9_x.yaml.swp"];
        let files: Vec<_> = kept.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        let others: Vec<_> = others.iter().map(|name| (*name, b"x".as_slice())).collect();
        let folder = Folder::of("order", &[files, others].concat());
        let sources = super::folder(&folder.0).unwrap();
        let found: Vec<_> =
            sources.iter().map(|source| (source.id.as_str(), source.text.as_str())).collect();
        assert_eq!(found, [("0001_a", "a"), ("9_b", "b"), ("10_c", "js")]);
        assert_eq!(sources[2].language, Language::JavaScript);
        assert!(sources[2].file.ends_with("10_c.js"));
    }

    #[test]
    fn every_file_that_cannot_be_used_is_named() {
        let folder = Folder::of(
            "faults",
            &[
                ("0001_a.yml", b"x"),
                ("0002_b", b"x"),
                ("0003_c.yaml", b"x\xff"),
                ("0005_e.js", b"x"),
                ("0005_e.yaml", b"x"),
            ],
        );
        let faults = super::folder(&folder.0).unwrap_err();
        let said: Vec<_> = faults.iter().map(|fault| fault.problem.as_str()).collect();
        for (said, part) in said.iter().zip([".yml", "none", "byte 1", "0005_e.js, 0005_e"]) {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(said.len(), 4, "{said:?}");
        let missing = super::folder(&folder.0.join("none")).unwrap_err();
        assert!(missing[0].to_string().contains("none: the folder of migrations cannot be read"));
    }
}
