//! The report of a scope: what stands in it, whatever there is to tell, and that nothing in it is taken for markup.

mod made;
mod page;
mod scopes;

use tablewright::command::Survey;
use tablewright::report::html;

use self::made::{all_of, empty, many};
use self::page::Page;
use self::scopes::{rich, running};

/// Reads the page, and leaves it where one can look at it.
fn page(name: &str, survey: &Survey) -> Page {
    let html = html(survey);
    std::fs::write(format!("{}/report-{name}.html", env!("CARGO_TARGET_TMPDIR")), &html).unwrap();
    Page::read(html)
}

/// Words that differ from run to run, as what they are.
fn masked(outline: &str) -> String {
    let is_moment = |word: &str| word.len() >= 10 && word.starts_with("20") && &word[4..5] == "-";
    let is_run = |word: &str| word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit());
    let mask = |word: &str| match word {
        moment if is_moment(moment) => "<day>".to_owned(),
        time if matches!(time.len(), 5 | 6) && &time[2..3] == ":" => "<time>".to_owned(),
        run if is_run(run) => "<run>".to_owned(),
        backup if backup.contains("/backup/") => "<backup>".to_owned(),
        word => word.to_owned(),
    };
    let lines = outline.lines().map(|line| {
        let mut words: Vec<_> = line.split(' ').map(mask).collect();
        for at in 1..words.len() {
            let is_unit = ["ms", "s", "ms,", "s,"].contains(&words[at].as_str());
            if is_unit && words[at - 1].parse::<f64>().is_ok() {
                "<n>".clone_into(&mut words[at - 1]);
                "s".clone_into(&mut words[at]);
            }
        }
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn a_scope_with_all_kinds_of_trouble_is_told_of() {
    let page = page("rich", &Box::pin(rich()).await);
    insta::assert_snapshot!(masked(&page.outline()));
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_told_of_with_each_worker_and_segment() {
    let page = page("running", &Box::pin(running()).await);
    let told = page.section("goes-on");
    for part in ["worker 1", "worker 16", "of 64 segments are done", "changed"] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
}

#[test]
fn a_scope_that_has_nothing_says_so() {
    let outline = page("empty", &empty()).outline();
    for part in [
        "all is done",
        "There are none, in the ledger or in the build.",
        "There are none.",
        "Nothing is on record.",
    ] {
        assert!(outline.contains(part), "{part:?} is not in: {outline}");
    }
}

#[test]
fn whatever_a_text_is_made_for_it_is_shown_as_it_is() {
    let hostile = [
        r#"</script><script>alert("x")</script>"#,
        r#""><img src=x onerror=alert(1)>"#,
        "'onmouseover='alert(1)",
        "</title></style><!--",
        "&lt;b&gt; &amp;#60;",
        "]]>\u{0}\u{1b}[31m",
    ];
    for text in hostile {
        let page = page("hostile", &all_of(text));
        let outline = page.outline();
        let shown = text.replace('\u{0}', r"\u{0}").replace('\u{1b}', r"\u{1b}");
        let times = outline.matches(&shown).count();
        assert!(times > 20, "{text:?} is shown {times} times in: {outline}");
    }
}

#[test]
fn long_texts_are_there_to_their_end() {
    let long = format!("{}_end", "a-very-long-name.".repeat(60));
    let outline = page("long", &all_of(&long)).outline();
    assert!(outline.matches("_end").count() > 20);
}

#[test]
fn five_hundred_migrations_are_a_page_that_opens_and_reads() {
    let page = page("many", &many(500));
    assert!(page.html.len() < 1_000_000, "{} bytes", page.html.len());
    let told = page.section("migrations");
    for part in ["475 older migrations", "0000_change_0", "0499_change_499", "300 applied"] {
        assert!(told.contains(part), "{part:?} is not there");
    }
}
