//! The plane as an HTTP client of the AWS SDK: calls without sockets, which paused time does not outrun.

use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::{Broken, Caller, ControlPlane, Served};

/// Hands each request of an SDK client to the plane.
#[derive(Debug, Clone)]
pub(super) struct InProcess(pub(super) ControlPlane, pub(super) Caller);

impl HttpClient for InProcess {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self(plane, caller) = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
            let body = request.body().bytes().unwrap_or_default().to_vec();
            let served = plane.serve_call(&target, &body, caller).await;
            let served = served.map_err(|broken| ConnectorError::io(broken.into()))?;
            response(served)
        })
    }
}

fn response(served: Served) -> Result<HttpResponse, ConnectorError> {
    let status =
        served.status.try_into().map_err(|error: aws_smithy_runtime_api::http::HttpError| {
            ConnectorError::other(error.into(), None)
        })?;
    let mut response = HttpResponse::new(status, served.body.into());
    let headers = response.headers_mut();
    headers.insert("content-type", super::CONTENT_TYPE);
    headers.insert("x-amzn-requestid", served.request_id);
    Ok(response)
}

impl std::error::Error for Broken {}
