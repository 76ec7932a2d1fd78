//! The services beside DynamoDB: what their answers are taken for.

use serde_json::{Value, json};
use tablewright::dynamo::Class;
use tablewright::kms::FoundKey;
use tablewright::services::Services;
use wiremock::matchers::{body_json, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::cloudformation::FakeStacks;
use crate::engine::Engine;

#[tokio::test]
async fn a_name_of_a_key_leads_to_its_arn_or_to_why_it_cannot_be_used() {
    let arn = "arn:aws:kms:eu-west-1:111122223333:key/1";
    let key = |spec: &str, state: &str| {
        let key = json!({ "KeyId": "1", "Arn": arn, "KeySpec": spec, "KeyState": state });
        (200, json!({ "KeyMetadata": key }))
    };
    let error = |code: &str| (400, json!({ "__type": code, "message": "no" }));
    let unusable = |why: &str| FoundKey::Unusable(why.to_owned());
    let cases: [((u16, Value), FoundKey); 5] = [
        (key("SYMMETRIC_DEFAULT", "Enabled"), FoundKey::Arn(arn.to_owned())),
        (key("SYMMETRIC_DEFAULT", "PendingDeletion"), unusable("it is PendingDeletion")),
        (key("RSA_2048", "Enabled"), unusable("it is of the kind RSA_2048, not SYMMETRIC_DEFAULT")),
        (error("NotFoundException"), unusable("KMS knows no such key")),
        (error("UnknownOperationException"), FoundKey::Unsupported),
    ];
    for ((status, body), found) in cases {
        let server = MockServer::start().await;
        Mock::given(header("x-amz-target", "TrentService.DescribeKey"))
            .and(body_json(json!({ "KeyId": "alias/orders" })))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&server)
            .await;
        let services = services(&server);
        assert_eq!(services.kms.find("alias/orders").await.unwrap(), found);
    }
}

#[tokio::test]
async fn an_endpoint_of_another_service_does_not_implement_this_one() {
    // As AWS answers, and the embedded engine like it.
    let server = MockServer::start().await;
    let unknown = ResponseTemplate::new(404).set_body_string("<UnknownOperationException/>\n");
    Mock::given(wiremock::matchers::any()).respond_with(unknown).mount(&server).await;
    let services = services(&server);
    assert_eq!(services.kms.find("alias/orders").await.unwrap(), FoundKey::Unsupported);
    let error = services.scaler.of_table("orders", []).await.unwrap_err();
    assert_eq!(error.class, Class::Unsupported);
}

#[tokio::test]
async fn a_denied_request_names_the_service_whose_action_is_denied() {
    let server = MockServer::start().await;
    let denied = json!({ "__type": "AccessDeniedException", "message": "no" });
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(400).set_body_json(denied))
        .mount(&server)
        .await;
    let error = services(&server).kms.find("alias/orders").await.unwrap_err();
    assert_eq!(error.class, Class::Denied);
    let said = error.to_string();
    assert!(said.starts_with("kms:DescribeKey on alias/orders is denied"), "{said}");
}

fn services(server: &MockServer) -> Services {
    Engine::at(server.uri()).services(&FakeStacks::default())
}
