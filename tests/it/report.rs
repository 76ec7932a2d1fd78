//! The report of a scope: what stands in it, whatever there is to tell, and that nothing in it is taken for markup.

mod page;
mod scopes;

use tablewright::command::Survey;
use tablewright::report::html;

use self::page::Page;
use self::scopes::{rich, running};

/// Reads the page, and leaves it where one can look at it.
fn page(name: &str, survey: &Survey) -> Page {
    let html = html(survey);
    std::fs::write(format!("{}/report-{name}.html", env!("CARGO_TARGET_TMPDIR")), &html).unwrap();
    Page::read(html)
}

#[tokio::test(start_paused = true)]
async fn a_scope_with_all_kinds_of_trouble_is_told_of() {
    let page = page("rich", &rich().await);
    insta::assert_snapshot!(page.outline());
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_told_of_with_each_worker_and_segment() {
    let page = page("running", &running().await);
    let told = page.section("goes-on");
    for part in ["worker 1", "worker 16", "segments are done", "changed"] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
}
