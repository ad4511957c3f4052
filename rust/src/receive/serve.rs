//! The server: its listening sockets, what Python says, and its orderly end.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use super::call::{Hall, Phase};
use super::connection;
use super::desk::{Desk, Word};
use super::early::Early;
use super::outbox::Outbox;
use super::places::{Place, Places};
use super::settings::{MOST_CONNECTIONS, Settings};

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// For connections whose peers say nothing more, once no call is under way.
const QUIET: Duration = Duration::from_millis(200);
/// For answers to reach their senders.
const FLUSH: Duration = Duration::from_millis(500);
/// After `accept` failed, as it does without file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

pub enum Order {
    Words(Vec<(u64, Word)>),
    /// Take no more, and give what is under way so long.
    Leave(Duration),
}

/// Serves until it was told to leave; then everything that it had is gone.
pub fn run(
    sockets: Vec<std::net::TcpListener>,
    settings: Settings,
    outbox: &Arc<Outbox>,
    orders: UnboundedReceiver<Order>,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let local = LocalSet::new();
    let serving = serve(sockets, settings, outbox.clone(), orders);
    local.block_on(&runtime, serving)
}

async fn serve(
    sockets: Vec<std::net::TcpListener>,
    settings: Settings,
    outbox: Arc<Outbox>,
    mut orders: UnboundedReceiver<Order>,
) -> io::Result<()> {
    let (enter, phase) = watch::channel(Phase::Serving);
    let desk = Desk::new(outbox);
    let hall = Hall { settings: Rc::new(settings), desk: desk.clone(), early: Early::default(), phase };
    let places = Places::new(MOST_CONNECTIONS);
    for socket in sockets {
        let socket = TcpListener::from_std(socket)?;
        spawn_local(accept(hall.clone(), socket, places.clone()));
    }
    let grace = obey(&mut orders, &desk).await;
    enter.send_replace(Phase::Leaving);
    let until = Instant::now() + grace;
    let mut busy = Instant::now();
    while places.taken() > 0 && Instant::now() < until.min(busy + QUIET) {
        if desk.open() > 0 {
            busy = Instant::now();
        }
        listen_on(&mut orders, &desk).await;
    }
    enter.send_replace(Phase::Closing);
    let until = Instant::now() + FLUSH;
    while places.taken() > 0 && desk.open() > 0 && Instant::now() < until {
        listen_on(&mut orders, &desk).await;
    }
    sleep(LOOK_EVERY).await;
    Ok(())
}

/// Passes on what Python says, until it says to leave.
async fn obey(orders: &mut UnboundedReceiver<Order>, desk: &Desk) -> Duration {
    loop {
        match orders.recv().await {
            Some(Order::Words(words)) => say(desk, words),
            Some(Order::Leave(grace)) => return grace,
            None => return Duration::ZERO,
        }
    }
}

async fn listen_on(orders: &mut UnboundedReceiver<Order>, desk: &Desk) {
    tokio::select! {
        order = orders.recv() => match order {
            Some(Order::Words(words)) => say(desk, words),
            _ => sleep(LOOK_EVERY).await,
        },
        () = sleep(LOOK_EVERY) => (),
    }
}

fn say(desk: &Desk, words: Vec<(u64, Word)>) {
    for (number, word) in words {
        desk.say(number, word);
    }
}

async fn accept(hall: Hall, socket: TcpListener, places: Rc<Places>) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = hall.reached(Phase::Leaving) => return,
        };
        let Ok((stream, address)) = accepted else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        if let Some(place) = places.take() {
            spawn_local(keep(hall.clone(), stream, address.ip(), place));
        }
    }
}

async fn keep(hall: Hall, stream: tokio::net::TcpStream, sender: IpAddr, place: Place) {
    connection::serve(hall, stream, sender, place.seat.clone()).await;
    drop(place);
}
