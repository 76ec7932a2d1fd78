//! The requests that are signed here, to CloudFormation and Step Functions: what is sent, that its signature is good, and what is
//! made of every kind of answer.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tablewright::stacks::{CloudFormation, StackStatus, Stacks, Unreadable};
use tablewright::states::{Driver, NotStarted, StateMachine};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::STACK;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn config() -> SdkConfig {
    let token = Some("a token".to_owned());
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, token, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Asks a server that answers with these, one after another.
async fn ask(answers: Vec<ResponseTemplate>) -> (Result<StackStatus, Unreadable>, Vec<Request>) {
    let server = MockServer::start().await;
    for answer in answers {
        Mock::given(any()).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    let stacks = CloudFormation::new(&config(), Some(server.uri())).unwrap();
    let status = stacks.status(STACK).await;
    (status, server.received_requests().await.unwrap())
}

fn stack(status: &str) -> ResponseTemplate {
    let xml = format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">
           <DescribeStacksResult><Stacks><member>
             <Description>&lt;StackStatus&gt;DELETE_COMPLETE&lt;/StackStatus&gt;</Description>
             <StackStatusReason>another resource failed</StackStatusReason>
             <StackStatus>{status}</StackStatus>
             <StackName>Shop</StackName>
           </member></Stacks></DescribeStacksResult>
         </DescribeStacksResponse>"
    );
    ResponseTemplate::new(200).set_body_string(xml)
}

#[tokio::test]
async fn the_status_is_asked_for_with_one_signed_request() {
    let (status, requests) = ask(vec![stack("UPDATE_ROLLBACK_IN_PROGRESS")]).await;
    assert_eq!(status.unwrap().to_string(), "UPDATE_ROLLBACK_IN_PROGRESS");
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/"));
    let form: Vec<_> = reqwest::Url::parse(&format!("http://x/?{}", text(&request.body)))
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect();
    let expected = [("Action", "DescribeStacks"), ("Version", "2010-05-15"), ("StackName", STACK)];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(request.headers["x-amz-security-token"], "a token");
    assert_eq!(signature_of(request), signature_for(request, "cloudformation"));
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// One of the three parts of the authorization header.
fn part<'a>(request: &'a Request, name: &str) -> &'a str {
    let header = request.headers["authorization"].to_str().unwrap();
    let (_, rest) = header.split_once(&format!("{name}=")).unwrap();
    rest.split(", ").next().unwrap()
}

fn signature_of(request: &Request) -> String {
    part(request, "Signature").to_owned()
}

/// The signature that AWS would compute for what has arrived ("Create a signed AWS API request", IAM user guide).
fn signature_for(request: &Request, service: &str) -> String {
    let signed = part(request, "SignedHeaders");
    assert!(
        ["host", "x-amz-date", "x-amz-security-token"].iter().all(|name| signed.contains(name))
    );
    let headers = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", request.headers[name].to_str().unwrap().trim()));
    let headers: String = headers.collect();
    let canonical = format!("POST\n/\n\n{headers}\n{signed}\n{}", hash(&request.body));
    let date = request.headers["x-amz-date"].to_str().unwrap();
    let scope = format!("{}/eu-west-1/{service}/aws4_request", &date[..8]);
    assert_eq!(part(request, "Credential"), format!("AKIDEXAMPLE/{scope}"));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(canonical.as_bytes()));
    let key = format!("AWS4{SECRET}").into_bytes();
    let key = scope.split('/').fold(key, |key, part| mac(&key, part.as_bytes()));
    hex(&mac(&key, to_sign.as_bytes()))
}

/// HMAC-SHA256 (RFC 2104), for a key of at most one block.
fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |byte: u8| -> Vec<u8> {
        (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect()
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_passing_failure_is_tried_once_more() {
    let (status, requests) =
        ask(vec![ResponseTemplate::new(503), stack("DELETE_IN_PROGRESS")]).await;
    assert_eq!(status, Ok(StackStatus("DELETE_IN_PROGRESS".to_owned())));
    assert_eq!(requests.len(), 2);
    let (status, requests) =
        ask(vec![ResponseTemplate::new(500), ResponseTemplate::new(429)]).await;
    assert!(status.unwrap_err().to_string().contains("HTTP status 429"));
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn a_refusal_names_the_permission_and_is_not_repeated() {
    let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
               <Message>User: arn:aws:sts::1:assumed-role/F is not authorized</Message></Error></ErrorResponse>";
    let (status, requests) = ask(vec![ResponseTemplate::new(403).set_body_string(xml)]).await;
    assert_eq!(
        status.unwrap_err().to_string(),
        "the status of the stack could not be read (HTTP status 403, AccessDenied User: \
         arn:aws:sts::1:assumed-role/F is not authorized); \
         the function's role needs cloudformation:DescribeStacks on it"
    );
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn whatever_else_comes_is_no_status() {
    for body in
        ["", "<StackStatus>", "<StackStatus></StackStatus>", "{\"StackStatus\": 1}", "\0\u{1f600}"]
    {
        let (status, _) = ask(vec![ResponseTemplate::new(200).set_body_string(body)]).await;
        assert!(status.is_err(), "{body:?}");
    }
    let redirect = ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:9/");
    assert!(ask(vec![redirect]).await.0.is_err());
}

#[tokio::test]
async fn without_a_server_credentials_or_a_region_nothing_is_known() {
    let nowhere = Some("http://127.0.0.1:9".to_owned());
    let bare = || SdkConfig::builder().behavior_version(BehaviorVersion::latest());
    for (config, endpoint, said) in [
        (config(), nowhere.clone(), "error sending request"),
        (bare().region(Region::new("eu-west-1")).build(), nowhere.clone(), "no credentials"),
        (bare().build(), nowhere, "no region"),
        (config(), Some("nonsense".to_owned()), "the endpoint nonsense"),
        // That of all requests, where there is none of its own.
        (
            config().into_builder().endpoint_url("http://127.0.0.1:9").build(),
            None,
            "error sending request",
        ),
    ] {
        let stacks = CloudFormation::new(&config, endpoint).unwrap();
        let error = stacks.status(STACK).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:LongRuns";

/// Starts an execution where the server answers with these, one after another.
async fn start(answers: Vec<ResponseTemplate>) -> (Result<(), NotStarted>, Vec<Request>) {
    let server = MockServer::start().await;
    for answer in answers {
        Mock::given(any()).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    let machine =
        StateMachine::new(&config(), MACHINE.to_owned(), "tables".to_owned(), Some(server.uri()));
    let started = machine.unwrap().start("0011aabb", &json!({ "run": "0011aabb" })).await;
    (started, server.received_requests().await.unwrap())
}

#[tokio::test]
async fn an_execution_is_started_with_one_signed_request_that_names_the_function() {
    let body = json!({ "executionArn": "arn", "startDate": 1.0 });
    let (started, requests) = start(vec![ResponseTemplate::new(200).set_body_json(body)]).await;
    assert_eq!(started, Ok(()));
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    assert_eq!(request.headers["x-amz-target"], "AWSStepFunctions.StartExecution");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["stateMachineArn"], &body["name"]), (&json!(MACHINE), &json!("0011aabb")));
    let input: Value = serde_json::from_str(body["input"].as_str().unwrap()).unwrap();
    assert_eq!(input, json!({ "run": "0011aabb", "function": "tables" }));
    assert_eq!(signature_of(request), signature_for(request, "states"));
}

#[tokio::test]
async fn an_execution_that_was_started_before_is_started_and_any_other_refusal_is_told() {
    let refusal = |code: &str| {
        let body = json!({ "__type": format!("com.amazonaws.swf#{code}"), "message": "no" });
        ResponseTemplate::new(400).set_body_json(body)
    };
    let (started, _) = start(vec![refusal("ExecutionAlreadyExists")]).await;
    assert_eq!(started, Ok(()));
    let (started, requests) = start(vec![refusal("AccessDeniedException")]).await;
    assert_eq!(
        started.unwrap_err().to_string(),
        "the state machine could not be started (HTTP status 400, AccessDeniedException no); \
         the function's role needs states:StartExecution on it"
    );
    assert_eq!(requests.len(), 1);
    let failing = || ResponseTemplate::new(503);
    let (started, requests) = start(vec![failing(), failing(), ResponseTemplate::new(200)]).await;
    assert_eq!((started, requests.len()), (Ok(()), 3));
}
