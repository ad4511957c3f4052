//! One connection, from its first bytes to its end.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::call::{Hall, Phase, call};
use super::opening::{Replayed, Spoken, begins_with_tls, listen};
use super::outbox::Stranger;
use super::places::Seat;
use super::settings::{CONNECTION_WINDOW, MOST_METADATA, OPENING, PING_AFTER, PING_TIMEOUT, STREAM_WINDOW};

const LINGER: Duration = Duration::from_secs(1);
const LONGEST_LINGER: usize = 64 * 1024;
/// So long a connection that gives its place to another may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(1);
const TLS_PORT: &str = "This port speaks TLS: send OTLP with https:// in the endpoint\n";

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}
type AnyStream = Replayed<Box<dyn Stream>>;

/// Serves it until it ends; whatever goes wrong ends it.
pub async fn serve(hall: Hall, stream: TcpStream, sender: IpAddr, seat: Rc<Seat>) {
    let opened = tokio::select! {
        opened = timeout(OPENING, open(&hall, stream)) => opened,
        () = hall.reached(Phase::Leaving) => return,
        () = seat.asked_to_leave() => return,
    };
    let Ok(Ok((spoken, stream))) = opened else { return };
    match spoken {
        Spoken::Http2 => http2(&hall, stream, sender, &seat).await,
        Spoken::Http1 => {
            let answer = told("421 Misdirected Request", &hall.settings.wrong_port);
            turn_away(&hall, stream, sender, (Stranger::Http1, answer)).await;
        }
        // The answer is plain, so that what speaks TLS says that this is not.
        Spoken::Tls => turn_away(&hall, stream, sender, (Stranger::Tls, told("400 Bad Request", ""))).await,
        Spoken::Plain => {
            let answer = told("400 Bad Request", TLS_PORT);
            turn_away(&hall, stream, sender, (Stranger::Plain, answer)).await;
        }
        Spoken::Unknown => (),
    }
}

async fn open(hall: &Hall, stream: TcpStream) -> io::Result<(Spoken, AnyStream)> {
    stream.set_nodelay(true)?;
    match &hall.settings.tls {
        None => listen(Box::new(stream) as Box<dyn Stream>).await,
        Some(_) if !begins_with_tls(&stream).await? => {
            let (spoken, stream) = listen(Box::new(stream) as Box<dyn Stream>).await?;
            let is_http = matches!(spoken, Spoken::Http1 | Spoken::Http2);
            Ok((if is_http { Spoken::Plain } else { Spoken::Unknown }, stream))
        }
        Some(tls) => {
            let stream = TlsAcceptor::from(tls.clone()).accept(stream).await?;
            listen(Box::new(stream) as Box<dyn Stream>).await
        }
    }
}

async fn http2(hall: &Hall, stream: AnyStream, sender: IpAddr, seat: &Rc<Seat>) {
    let (serving, sitting) = (hall.clone(), seat.clone());
    let answer = service_fn(move |request| {
        let (busy, called) = (sitting.busy(), call(serving.clone(), sender, request));
        async move {
            let answer = called.await;
            drop(busy);
            answer
        }
    });
    let mut served = pin!(builder(hall.settings.most_calls).serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        _ = served.as_mut() => return,
        () = hall.reached(Phase::Leaving) => served.as_mut().graceful_shutdown(),
        () = seat.asked_to_leave() => {
            served.as_mut().graceful_shutdown();
            let _ = timeout(FAREWELL, served).await;
            return;
        }
    }
    let _ = served.await;
}

/// hyper bounds resets, and h2 continuations, by itself.
fn builder(most_calls: u32) -> http2::Builder<Local> {
    let mut builder = http2::Builder::new(Local);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(most_calls)
        .max_header_list_size(MOST_METADATA)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

fn told(status: &str, text: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
        connection: close\r\n\r\n{text}",
        text.len()
    )
}

/// Reads on for a moment: a connection that is closed with something unread is reset, and the answer lost.
async fn turn_away(hall: &Hall, mut stream: AnyStream, sender: IpAddr, why: (Stranger, String)) {
    let (stranger, answer) = why;
    hall.desk.note(stranger, sender);
    let said = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut unread = vec![0; LONGEST_LINGER];
        let mut left = LONGEST_LINGER;
        while left > 0 {
            match stream.read(&mut unread[..left]).await? {
                0 => break,
                read => left -= read,
            }
        }
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, said).await;
}

#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}
