//! What works on files alone: `new` and `validate`.

use crate::world::{Folder, SETTINGS};

#[test]
fn what_is_wrong_is_shown_in_its_place() {
    let folder = Folder::new();
    folder.write(
        "tablewright.yaml",
        "stack: shop\nproperties:\n  Tables:\n    - TableNam: orders\n      KeySchema: []\n  OnFailure: stop\n",
    );
    folder.write("migrations/0001_a.yml", "table: orders\n");
    insta::assert_snapshot!(folder.run(&["validate"]).expect(1).err);
    let faults = folder.run(&["validate", "--json"]).expect(1).json();
    let first = &faults["faults"][0];
    assert_eq!(
        (&first["file"], &first["line"]),
        (&"tablewright.yaml".into(), &4.into()),
        "{faults}"
    );
}

#[test]
fn settings_are_found_from_below() {
    let folder = Folder::new();
    folder.write("tablewright.yaml", SETTINGS);
    folder.write("deep/er/x", "");
    let mut command = folder.command(&["validate"]);
    let ran = command.current_dir(folder.path().join("deep/er")).output().unwrap();
    assert!(ran.status.success());
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "sound: 1 table, 0 migrations\n");
}

#[test]
fn new_migrations_count_on_and_overwrite_nothing() {
    let folder = Folder::new();
    folder.write("tablewright.yaml", SETTINGS);
    let new = |arguments: &[&str]| folder.run(arguments).expect(0).out.trim().to_owned();
    assert_eq!(new(&["new", "label orders"]), "migrations/0001_label_orders.yaml");
    assert_eq!(new(&["new", "--js", "Split Names"]), "migrations/0002_split_names.js");
    folder.write("migrations/0041_old.test.yaml", "");
    let ran = folder.run(&["new", "x", "--json"]).expect(0).json();
    assert_eq!(ran["id"], "0042_x");
    let rust = new(&["new", "--rust", "more"]);
    assert!(
        rust.contains("Migration::backfills(\"0043_more\", [Backfill::new(\"orders\""),
        "{rust}"
    );
    assert!(!folder.path().join("migrations/0043_more.rs").exists());
    folder.run(&["new", "--js", "--rust", "x"]).expect(2);
}
