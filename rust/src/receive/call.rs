//! One call: what its head says, its message, Python's answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use tokio::time::timeout;

use super::answer::{ACCEPTED, Reply, failure, success};
use super::desk::Desk;
use super::early::Early;
use super::inflate::Coding;
use super::message::Message;
use super::outbox::Stranger;
use super::refusal::{Failure, Refusal};
use super::settings::{EARLY, Settings};

/// How far the server has come; it only goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    /// No new connections or calls.
    Leaving,
    /// What is under way is told to come back.
    Closing,
}

/// What all connections share.
#[derive(Clone)]
pub struct Hall {
    pub settings: Rc<Settings>,
    pub desk: Rc<Desk>,
    pub early: Early,
    pub phase: watch::Receiver<Phase>,
}

impl Hall {
    /// Returns when the server has come so far.
    pub async fn reached(&self, phase: Phase) {
        let mut watched = self.phase.clone();
        // Without a sender there is no server any more.
        let _ = watched.wait_for(|now| *now >= phase).await;
    }
}

enum Refused {
    Here(Refusal),
    ByPython(Failure),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused::Here(refusal)
    }
}

impl From<Failure> for Refused {
    fn from(failed: Failure) -> Self {
        Refused::ByPython(failed)
    }
}

pub async fn call(
    hall: Hall,
    sender: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let outcome = tokio::select! {
        biased;
        outcome = take(&hall, sender, request) => outcome,
        () = hall.reached(Phase::Closing) => Err(Refused::Here(Refusal::Stopping)),
    };
    Ok(match outcome {
        Ok(answer) => success(&answer),
        Err(Refused::ByPython(failed)) => failure(&failed, StatusCode::OK),
        Err(Refused::Here(refusal)) => refuse(&hall, refusal),
    })
}

fn refuse(hall: &Hall, refusal: Refusal) -> Response<Reply> {
    hall.desk.count(refusal);
    let failed = hall.settings.failure(refusal);
    let mut response = match refusal {
        Refusal::ContentType => failure(failed, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        _ => failure(failed, StatusCode::OK),
    };
    if refusal == Refusal::Coding {
        let (name, value) = ACCEPTED;
        response.headers_mut().insert(name, value);
    }
    response
}

async fn take(hall: &Hall, sender: IpAddr, request: Request<Incoming>) -> Result<Vec<u8>, Refused> {
    let settings = &hall.settings;
    let method = method(settings, &request)?;
    if !is_allowed(settings, &request) {
        hall.desk.note(Stranger::Token, sender);
        return Err(Refusal::Token.into());
    }
    let mut message = Message::new(coding(&request)?, settings.most_bytes);
    let mut body = request.into_body();
    let mut ticket = hall.desk.ticket();
    // What is small and here already costs Python one step instead of two.
    let mut share = hall.early.take();
    let early = timeout(EARLY, message.read(&mut body, share.bytes())).await;
    if !early.unwrap_or(Ok(false))? {
        ticket.knock(message.volume()).await?;
        let read = timeout(settings.patience, message.read(&mut body, settings.most_bytes)).await;
        if !read.map_err(|_| Refusal::TooSlow)?? {
            return Err(Refusal::TooLarge.into());
        }
        share.shrink(0);
    }
    let content = message.finish()?;
    share.shrink(content.len());
    let answer = ticket.hand_in(method, content).await;
    Ok(answer.ok_or(Refusal::Stopping)??)
}

fn method(settings: &Settings, request: &Request<Incoming>) -> Result<usize, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if !kind.starts_with(b"application/grpc") || request.method() != Method::POST {
        return Err(Refusal::ContentType);
    }
    let path = request.uri().path();
    settings.methods.iter().position(|known| known == path).ok_or(Refusal::Method)
}

fn is_allowed(settings: &Settings, request: &Request<Incoming>) -> bool {
    let Some(token) = &settings.token else { return true };
    let given = request.headers().get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
    let at = given.iter().position(|byte| *byte == b' ').unwrap_or(given.len());
    let (scheme, credentials) = given.split_at(at);
    bool::from(credentials.trim_ascii().ct_eq(token)) && scheme.eq_ignore_ascii_case(b"bearer")
}

fn coding(request: &Request<Incoming>) -> Result<Option<Coding>, Refusal> {
    match request.headers().get("grpc-encoding") {
        None => Ok(None),
        Some(value) => Coding::named(value.to_str().map_err(|_| Refusal::Coding)?),
    }
}
