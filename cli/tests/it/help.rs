//! What helps: help itself, completions, schemas.

use crate::world::Folder;

#[test]
fn help_lists_the_verbs_in_groups() {
    let ran = Folder::new().run(&["--help"]).expect(0);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn bad_usage_is_told_apart_from_failure() {
    let folder = Folder::new();
    for arguments in [&["dance"][..], &["undo"], &["undo", "--all", "--to", "0001_a"], &["new"]] {
        folder.run(arguments).expect(2);
    }
    let ran = folder.run(&["apply", "--yes"]).expect(2);
    assert!(ran.err.contains("name the stack"), "{}", ran.err);
    folder.run(&["--config", "missing.yaml", "validate"]).expect(1);
}

#[test]
fn every_shell_has_its_completions() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ran = folder.run(&["completions", shell]).expect(0);
        assert!(ran.out.contains("retry-failed"), "{shell}");
    }
}

#[test]
fn colours_are_for_terminals_and_whoever_asks_for_them() {
    let folder = Folder::new();
    let has_colours = |arguments: &[&str]| folder.run(arguments).expect(0).out.contains('\u{1b}');
    assert!(!has_colours(&["validate"]));
    assert!(has_colours(&["validate", "--color", "always"]));
    assert!(!has_colours(&["validate", "--color", "never"]));
}

#[test]
fn the_settings_have_a_schema() {
    let ran = Folder::new().run(&["schema", "settings"]).expect(0);
    insta::assert_snapshot!(ran.out);
}
