//! `dev`: the real binary, which follows a folder, seen through an SDK client.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::world::{Folder, SETTINGS};

/// A limit for what takes a fraction of a second on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_mins(1);

/// `dev` at work; it ends with the test.
struct Dev {
    child: Child,
    lines: Receiver<String>,
    client: Client,
}

impl Dev {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = folder.command(&["dev", "--port", &port.to_string()]);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(format!("http://127.0.0.1:{port}"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"));
        Self { child, lines, client: Client::from_conf(config.build()) }
    }

    /// What it says up to a line that has this in it.
    #[track_caller]
    fn until(&self, part: &str) -> String {
        let mut said = String::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(LIMIT) else {
                panic!("nothing with {part:?} came after: {said}")
            };
            said.push_str(&line);
            said.push('\n');
            if line.contains(part) {
                return said;
            }
        }
    }

    async fn put(&self, key: &str) {
        let put = self.client.put_item().table_name("orders");
        put.item("pk", AttributeValue::S(key.to_owned())).send().await.unwrap();
    }

    /// Ends it as a person does, by Ctrl-C.
    fn interrupt(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.until("stopped");
        assert!(self.child.wait().unwrap().success());
    }

    async fn tables(&self) -> Vec<String> {
        self.client.list_tables().send().await.unwrap().table_names().to_vec()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_follow_the_file_and_its_faults_are_shown() {
    let folder = Folder::new();
    folder.write("tablewright.yaml", SETTINGS);
    folder.write("seed.yaml", "orders:\n  - { pk: '1', status: open }\n  - { pk: { S: '2' } }\n");
    let dev = Dev::start(&folder, &["--seed", "seed.yaml"]);
    let said = dev.until("ready in");
    assert!(said.contains("export AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:"), "{said}");
    assert!(said.contains("+ 2 items of seed.yaml"), "{said}");
    assert_eq!(dev.tables().await, ["orders", "tablewright-ledger"]);
    let status = crate::world::attribute(&dev.client, "1", "status").await;
    assert_eq!(status.as_deref(), Some("open"));

    folder.write("tablewright.yaml", &SETTINGS.replace("TableName", "TableNmae"));
    let said = dev.until("not ready");
    assert!(said.contains("tablewright.yaml:4:7: properties.Tables[0].TableNmae"), "{said}");
    let key = "      KeySchema: [{ AttributeName: pk, KeyType: HASH }]";
    let more = format!(
        "      RemovalPolicy: delete\n{key}\n      AttributeDefinitions: \
                        [{{ AttributeName: pk, AttributeType: S }}]\n    - TableName: more\n{key}"
    );
    folder.write("tablewright.yaml", &SETTINGS.replace(key, &more));
    dev.until("ready in");
    assert_eq!(dev.tables().await, ["more", "orders", "tablewright-ledger"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_changes_is_taken_back_and_run_again() {
    let label = |word: &str, down: &str| {
        format!("table: orders\nset:\n  label: {{ cel: \"'{word}' + item.pk\" }}\n{down}")
    };
    let down = "down:\n  remove: [label]\n";
    let folder = Folder::new();
    folder.write("tablewright.yaml", &format!("{SETTINGS}dev: {{ seed: seed.yaml }}\n"));
    folder.write("seed.yaml", "orders: [{ pk: '1' }]\n");
    let dev = Dev::start(&folder, &[]);
    dev.until("ready in");
    let labelled = || crate::world::attribute(&dev.client, "1", "label");

    folder.write("migrations/0001_label.yaml", &label("a", down));
    let said = dev.until("ready in");
    assert!(said.contains("0001_label: applied, 1 of 1 items changed"), "{said}");
    assert_eq!(labelled().await.as_deref(), Some("a1"));

    folder.write("migrations/0001_label.yaml", &label("b", down));
    let said = dev.until("ready in");
    assert!(said.contains("- 0001_label: taken back"), "{said}");
    assert_eq!(labelled().await.as_deref(), Some("b1"));

    folder.write("migrations/0001_label.yaml", "tabel: orders\n");
    let said = dev.until("not ready");
    assert!(said.contains("0001_label.yaml:1:1"), "{said}");
    assert_eq!(labelled().await.as_deref(), Some("b1"), "what has run stays");

    std::fs::remove_file(folder.path().join("migrations/0001_label.yaml")).unwrap();
    dev.until("ready in");
    assert_eq!(labelled().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_way_back_is_told_or_started_over() {
    let note = |word: &str| {
        format!(
            "export const table = 'orders'\nexport function up(item) {{ item.note = '{word}' }}\n"
        )
    };
    for arguments in [&[][..], &["--reset"]] {
        let folder = Folder::new();
        folder.write("tablewright.yaml", SETTINGS);
        folder.write("seed.yaml", "orders: [{ pk: '1' }]\n");
        folder.write("migrations/0001_note.js", &note("a"));
        let dev = Dev::start(&folder, &[&["--seed", "seed.yaml"], arguments].concat());
        dev.until("ready in");
        folder.write("migrations/0001_note.js", &note("b"));
        let said = dev.until("ready");
        let found = crate::world::attribute(&dev.client, "1", "note").await;
        if arguments.is_empty() {
            assert!(said.contains("start over with tablewright dev --reset"), "{said}");
            assert_eq!(found.as_deref(), Some("a"));
        } else {
            assert!(said.contains("starting over"), "{said}");
            assert_eq!(found.as_deref(), Some("b"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_in_a_folder_is_there_the_next_time() {
    let label = |word: &str| {
        format!(
            "table: orders\nset:\n  label: {{ cel: \"'{word}' + item.pk\" }}\ndown:\n  remove: [label]\n"
        )
    };
    let folder = Folder::new();
    folder.write("tablewright.yaml", &format!("{SETTINGS}dev: {{ persist: .dynamodb }}\n"));
    folder.write("seed.yaml", "orders: [{ pk: '1' }]\n");
    folder.write("migrations/0001_label.yaml", &label("a"));
    let mut dev = Dev::start(&folder, &["--seed", "seed.yaml"]);
    dev.until("ready in");
    dev.put("2").await;
    dev.interrupt();

    let mut dev = Dev::start(&folder, &["--seed", "seed.yaml"]);
    let said = dev.until("ready in");
    assert!(said.contains("+ 2 tables of .dynamodb/dynamodb.jsonl"), "{said}");
    assert!(!said.contains("of seed.yaml") && !said.contains("applied"), "{said}");
    let labelled = |key: &'static str| crate::world::attribute(&dev.client, key, "label");
    assert_eq!(labelled("1").await.as_deref(), Some("a1"));
    assert_eq!(labelled("2").await, None, "it came after the migration");
    folder.write("migrations/0001_label.yaml", &label("b"));
    let said = dev.until("ready in");
    assert!(said.contains("- 0001_label: taken back"), "{said}");
    assert_eq!(labelled("2").await.as_deref(), Some("b2"));
    dev.interrupt();

    folder.write(".dynamodb/dynamodb.jsonl", "no JSON\n");
    let ran = folder.run(&["dev", "--port", "0"]).expect(1);
    assert!(ran.err.contains(".dynamodb/dynamodb.jsonl: line 1: "), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_take_as_long_as_in_aws_where_asked() {
    let folder = Folder::new();
    folder.write("tablewright.yaml", SETTINGS);
    let dev = Dev::start(&folder, &["--strict"]);
    dev.until("export AWS_ENDPOINT_URL_DYNAMODB");
    let described = async || {
        let described = dev.client.describe_table().table_name("tablewright-ledger").send().await;
        Some(described.ok()?.table?.table_status?.as_str().to_owned())
    };
    let mut status = described().await;
    while status.is_none() {
        status = described().await;
    }
    assert_eq!(status.as_deref(), Some("CREATING"));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = folder.run(&["dev", "--port", &port]).expect(1);
    assert!(ran.err.contains("choose another with --port"), "{}", ran.err);
}
