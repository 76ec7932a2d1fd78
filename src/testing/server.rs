//! The plane over HTTP, for any SDK.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Broken, CONTENT_TYPE, Caller, ControlPlane};

/// The plane on a port of this machine; it stops listening when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    listening: JoinHandle<Infallible>,
}

impl Server {
    pub(super) async fn start(plane: ControlPlane, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, listening: tokio::spawn(listen(listener, plane)) })
    }

    /// Where it listens, as `http://127.0.0.1:50123`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Accepts connections for ever. They end together with this.
async fn listen(listener: TcpListener, plane: ControlPlane) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        // A client that is gone before it is accepted is no reason to stop.
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, plane.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, plane: ControlPlane) {
    let service = service_fn(|request| answer(plane.clone(), request));
    // It fails where a fault breaks the connection, and where the client does.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// An error ends the connection without an answer.
async fn answer(
    plane: ControlPlane,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok()).unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map_err(|_| Broken)?.to_bytes();
    // A task of its own: a call that has arrived is carried out, whatever becomes of its caller.
    let call = async move { plane.serve_call(&target, &body, Caller::Tested).await };
    let served = tokio::spawn(call).await.map_err(|_| Broken)??;
    Response::builder()
        .status(served.status)
        .header("content-type", CONTENT_TYPE)
        .header("x-amzn-requestid", served.request_id)
        .body(Full::from(served.body))
        .map_err(|_| Broken)
}
