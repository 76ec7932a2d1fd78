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
fn findings_are_explained_and_rights_are_printed() {
    let folder = Folder::new();
    let all = folder.run(&["explain"]).expect(0).out;
    let code = all.split_whitespace().next().unwrap();
    assert!(folder.run(&["explain", &code.to_lowercase()]).expect(0).out.starts_with(code));
    assert!(folder.run(&["explain", "TW999"]).expect(2).err.contains("the nearest is"));
    folder.write("tablewright.yaml", crate::world::SETTINGS);
    let iam = folder.run(&["iam"]).expect(0).out;
    assert!(iam.contains("dynamodb:CreateTable") && iam.contains("table/orders"), "{iam}");
    let named =
        ["iam", "--looking", "--json", "--account", "111122223333", "--region", "cn-north-1"];
    let looking = folder.run(&named).expect(0).out;
    assert!(
        looking.contains("arn:aws-cn:dynamodb:cn-north-1:111122223333:table/orders"),
        "{looking}"
    );
    assert!(!looking.contains("dynamodb:CreateTable") && !looking.contains("${"), "{looking}");
}

#[test]
fn the_settings_have_a_schema() {
    let ran = Folder::new().run(&["schema", "settings"]).expect(0);
    insta::assert_snapshot!(ran.out);
}
