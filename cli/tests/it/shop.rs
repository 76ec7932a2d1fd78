//! The example of migration files, `examples/shop`, by every verb that runs it.

use std::path::Path;

use crate::world::World;

/// The shop's folder in a world of its own.
async fn shop() -> World {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shop");
    let read = |file: &Path| std::fs::read_to_string(file).unwrap();
    let world = World::new(&read(&shop.join("tablewright.yaml"))).await;
    for entry in std::fs::read_dir(shop.join("migrations")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        world.folder.write(&format!("migrations/{name}"), &read(&path));
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_is_sound_and_every_migration_does_what_its_fixture_says() {
    let world = shop().await;
    world.run(&["validate"]).await.expect(0);
    let tested = world.run(&["test"]).await.expect(0);
    for refused in ["FAILED", "not tried"] {
        assert!(!tested.out.contains(refused), "{}", tested.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_is_applied_and_taken_back_as_far_as_there_is_a_way() {
    let world = shop().await;
    let plan = world.run(&["plan"]).await.expect(3);
    assert!(plan.out.contains("0006_no_legacy"), "{}", plan.out);
    world.run(&["apply", "--yes"]).await.expect(0);
    world.run(&["plan"]).await.expect(0);
    world.run(&["undo", "--to", "0004_archive", "--yes", "--reason", "a test"]).await.expect(0);
    let status = world.run(&["status"]).await.expect(3);
    for part in [
        "0004_archive           applied",
        "0005_default_settings  undone",
        "0006_no_legacy         undone",
    ] {
        assert!(status.out.contains(part), "{}", status.out);
    }
}
