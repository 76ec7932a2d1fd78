//! Files: what a script has to say about itself, what is wrong with it, and what tells one text from another.

use super::*;

#[test]
fn a_script_is_refused_with_its_place_and_the_way_out() {
    let shown: Vec<String> = [
        "",
        "export const tabel = 'orders'\nexport function up(item) {}",
        "export const table = 7\nexport const up = 'x'",
        "export const table = ''\nexport async function up(item) {}\nexport function* down(item) {}",
        "export const table = 't'\nexport function up(item) {\n  item.x = = 1\n}",
        "export const table = 't'\nexport function up(item) {\n  return {\n}\n",
        "export const table = 't'\nconst x = {}\nx.y.z = 1\nexport function up(item) {}",
        "for (;;);\nexport const table = 't'\nexport function up(item) {}",
        "import fs from 'fs'\nexport const table = 't'\nexport function up(item) {}",
        "import { drop } from 'tablewright'\nexport const table = 't'\nexport function up(item) {}",
        "export const table = await 't'\nexport function up(item) {}\nawait new Promise(() => {})",
        "export default { table: 't', up() {} }",
        "export const table = 't'\nexport function up() {}\nexport function down() {}\nexport const guard = 'journal'",
        "export const table = 't'\nexport function up() {}\nexport const guard = 'stomp'\nexport const phase = 1\n\
         export const maxFailedItems = -1\nexport const atMost = '500%'\nexport const segments = 0.5\n\
         export const concurrency = 0\nexport const verifySample = 10\nexport const description = null\n\
         export const throttle = 1",
        "export const table = 't'\nlet count = 0, { last } = {}\nvar old\nexport let seen\nexport function up() { let inner; count++ }",
        "module.exports = { table: 't' }",
        "Date.now()\n",
        "const größe = 'ä'; größe.x.y\n",
    ]
    .iter()
    .map(|text| {
        let faults = read(&source(text)).expect_err(text);
        faults.iter().map(Fault::shown).collect::<Vec<_>>().join("\n")
    })
    .collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn a_script_says_all_that_a_backfill_can_be_told() {
    let script = source(
        "export const table = 'orders', description = 'labels'
         export const phase = 'contract', guard = 'stamp', maxFailedItems = 3, atMost = '50%'
         export const segments = 8, concurrency = 4, verifySample = 'all'
         export const up = (item) => {}, down = (item) => {}
         export function verify(item) { return item.n === 1 }",
    );
    let migration = read(&script).unwrap();
    let spec = migration.spec();
    assert_eq!((spec.id.as_str(), spec.description.as_str()), ("0001_a", "labels"));
    assert_eq!(spec.language, Language::JavaScript);
    assert_eq!(spec.phase, Phase::Contract);
    assert!(spec.reversible && spec.idempotent && spec.offered.is_none());
    let [backfill] = spec.backfills.as_slice() else { panic!("{spec:?}") };
    assert_eq!((backfill.table.as_str(), backfill.segments), ("orders", Some(8)));
    assert_eq!((backfill.guard, backfill.cap), (Some(Guard::Stamp), Cap::PerCent(50)));
    assert!(backfill.has_down && backfill.loss.is_none());
    let other =
        read(&source("export const table = 't', up = () => {}, atMost = 200")).unwrap().spec();
    assert_eq!((other.backfills[0].cap, other.reversible), (Cap::Units(200), false));

    let script = Arc::new(script);
    let verified = |number: &str| verify(&script, &item([("n", n(number))]).into());
    assert!(verified("1").is_ok());
    assert!(verified("2").unwrap_err().to_string().contains("verify returned false"));
    let vague = Arc::new(source("export function verify(item) { item.n > 1 }"));
    let why = verify(&vague, &item([]).into()).unwrap_err().to_string();
    assert!(why.contains("verify returned undefined; return true"), "{why}");
}

#[test]
fn a_fingerprint_tells_texts_apart_and_not_their_white_space() {
    let of = |text: &str| fingerprint(text);
    let text = "export const table = 't'\n\nexport function up(item) {\n  item.a = 1\n}\n";
    assert_eq!(of(text), "javascript 38be1695e3bb065c");
    for same in [
        text.replace('\n', "\r\n"),
        text.replace('\n', " \t\n"),
        format!("{text}\n \n\n"),
        text.trim_end().to_owned(),
    ] {
        assert_eq!(of(&same), of(text), "{same:?}");
    }
    for other in [
        text.replace("item.a = 1", "item.a = 2"),
        text.replace("  item", "item"),
        text.replace("\n\n", "\n"),
        format!("\n{text}"),
        format!("{text}// a comment"),
    ] {
        assert_ne!(of(&other), of(text), "{other:?}");
    }
}
