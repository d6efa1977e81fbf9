//! Turns at expensive work: so much at once, so much of it for one caller, the rest waits in line. A caller that has
//! nothing at work is served before one that has something, and some places are kept for such callers.
use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http_body::{Frame, SizeHint};
use ioc_model::share::{Full, ShareClass, ShareLimits, Shares};
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// Longest wait for a turn; well within the patience of browsers and proxies.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Most requests in line, and of these kept for callers that have none there.
const LINE_MAX: usize = 1024;
const LINE_RESERVED: usize = 256;
/// Most requests of one caller in line.
const LINE_EACH: usize = 64;
/// An answer goes out in pieces of this size, so that it counts as work until the client has taken nearly all of it.
const PIECE: usize = 64 * 1024;

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// This caller has too many in line.
    Caller,
    /// There are too many in line, or it took too long.
    Busy,
}

/// Gives turns; a clone is the same.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    work: Shares<Arc<str>>,
    waits: Shares<Arc<str>>,
    line: BTreeMap<u64, Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    caller: Arc<str>,
    turn: oneshot::Sender<Turn>,
}

/// The right to work; the next in line gets it when it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    caller: Arc<str>,
}

/// A place in line; given back when dropped.
struct InLine<'a> {
    turns: &'a Turns,
    caller: &'a Arc<str>,
    number: u64,
}

/// Callers that have nothing yet come first.
fn take(shares: &mut Shares<Arc<str>>, caller: &Arc<str>) -> Result<(), Full> {
    let class = if shares.of(caller) == 0 { ShareClass::Reserved } else { ShareClass::Ordinary };
    shares.take(Arc::clone(caller), class)
}

impl State {
    /// Takes the first out of the line that may work now.
    fn first(&mut self) -> Option<Waiting> {
        let work = &mut self.work;
        let (number, _) = self.line.iter().find(|(_, waiting)| take(work, &waiting.caller).is_ok())?;
        let number = *number;
        self.line.remove(&number)
    }
}

impl Turns {
    /// Returns turns for `total` at once, `each` of one caller; a quarter is kept for callers that have none.
    pub fn new(total: usize, each: usize) -> Self {
        let work = ShareLimits { total, reserved: (total / 4).max(1).min(total - 1), each };
        let waits = ShareLimits { total: LINE_MAX, reserved: LINE_RESERVED, each: LINE_EACH };
        let state =
            State { work: Shares::new(work), waits: Shares::new(waits), line: BTreeMap::new(), next: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a turn of `caller`.
    ///
    /// Errors: [`Refused`] at once when the line is too long, and after ten seconds.
    pub async fn take(&self, caller: &Arc<str>) -> Result<Turn, Refused> {
        let (sender, mut turn) = oneshot::channel();
        let _in_line = {
            let mut state = self.lock();
            if take(&mut state.work, caller).is_ok() {
                return Ok(Turn { turns: self.clone(), caller: Arc::clone(caller) });
            }
            take(&mut state.waits, caller).map_err(|full| match full {
                Full::Caller => Refused::Caller,
                Full::All => Refused::Busy,
            })?;
            let number = state.next;
            state.next += 1;
            state.line.insert(number, Waiting { caller: Arc::clone(caller), turn: sender });
            InLine { turns: self, caller, number }
        };
        match timeout(WAIT_MAX, &mut turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Refused::Busy),
        }
    }

    fn go_on(&self) {
        loop {
            let Some(Waiting { caller, turn }) = self.lock().first() else { return };
            // Whoever has stopped waiting drops it at once, which goes on with the next.
            let _ = turn.send(Turn { turns: self.clone(), caller });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().work.give_back(&self.caller);
        self.turns.go_on();
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.waits.give_back(self.caller);
        state.line.remove(&self.number);
    }
}

tokio::task_local! {
    static CURRENT: Arc<Turn>;
}

/// Returns the turn of the request that the current task answers, for work that may outlive it.
pub fn current() -> Option<Arc<Turn>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Answers with `answer`, which counts as work until the client has taken the answer.
pub async fn within(turn: Turn, answer: impl Future<Output = Response>) -> Response {
    let turn = Arc::new(turn);
    let response = CURRENT.scope(Arc::clone(&turn), answer).await;
    response.map(|body| Body::new(Held { body, rest: Bytes::new(), _turn: turn }))
}

/// A body that holds a turn and goes out in pieces.
struct Held {
    body: Body,
    rest: Bytes,
    _turn: Arc<Turn>,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(inner.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    fn caller(name: &str) -> Arc<str> {
        name.into()
    }

    #[tokio::test]
    async fn one_with_much_to_do_waits_behind_nobody_else() {
        let turns = Turns::new(4, 3);
        let (greedy, other) = (caller("greedy"), caller("other"));
        let mut at_work = Vec::new();
        for _ in 0..3 {
            at_work.push(turns.take(&greedy).await.unwrap());
        }
        let line: Vec<_> = (0..LINE_EACH)
            .map(|_| {
                let (turns, greedy) = (turns.clone(), caller("greedy"));
                tokio::spawn(async move { turns.take(&greedy).await.map(drop) })
            })
            .collect();
        while turns.lock().line.len() < LINE_EACH {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.take(&greedy).await.unwrap_err(), Refused::Caller);
        let first = turns.take(&other).await.unwrap();
        let mut second = tokio_test(turns.clone(), other.clone());
        assert!(!second.is_finished());
        // One unit of the greedy one ends: the next in line is the greedy one's again, but `other` waits for one only.
        drop(first);
        assert!((&mut second).await.unwrap().is_ok());
        drop(at_work);
        for one in line {
            one.await.unwrap().unwrap();
        }
        let state = turns.lock();
        assert_eq!((state.work.taken(), state.waits.taken(), state.line.len()), (0, 0, 0));
    }

    fn tokio_test(turns: Turns, caller: Arc<str>) -> tokio::task::JoinHandle<Result<(), Refused>> {
        tokio::spawn(async move { turns.take(&caller).await.map(drop) })
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_and_those_who_leave_take_nothing() {
        let turns = Turns::new(2, 1);
        let a = caller("a");
        let held = turns.take(&a).await.unwrap();
        assert_eq!(turns.take(&a).await.unwrap_err(), Refused::Busy);
        let leaving = tokio_test(turns.clone(), a.clone());
        tokio::task::yield_now().await;
        leaving.abort();
        let _ = leaving.await;
        assert_eq!(turns.lock().waits.taken(), 0);
        drop(held);
        assert!(turns.take(&a).await.is_ok());
    }

    #[tokio::test]
    async fn a_turn_lasts_until_the_answer_was_taken() {
        let turns = Turns::new(2, 1);
        let turn = turns.take(&caller("a")).await.unwrap();
        let answer = async { Response::new(Body::from(vec![7; 3 * PIECE + 1])) };
        let mut body = within(turn, answer).await.into_body();
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            assert!(frame.unwrap().into_data().unwrap().len() <= PIECE);
            pieces += 1;
            assert_eq!(turns.lock().work.taken(), 1);
        }
        assert_eq!(pieces, 4);
        drop(body);
        assert_eq!(turns.lock().work.taken(), 0);
    }

    proptest! {
        /// Whoever has nothing at work gets a turn after at most one of those at work ends, however long the line is.
        #[test]
        fn a_newcomer_waits_for_one_unit(total in 2_usize..12, each in 1_usize..6, callers in 1_usize..6) {
            let each = each.min(total - 1);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let turns = Turns::new(total, each);
                let mut at_work = Vec::new();
                for n in 0..callers * each {
                    let name = caller(&format!("caller{}", n % callers));
                    let taking = timeout(Duration::ZERO, turns.take(&name)).await;
                    at_work.extend(taking.ok().and_then(Result::ok));
                }
                let newcomer = caller("newcomer");
                let mut taking = Box::pin(turns.take(&newcomer));
                let now = timeout(Duration::ZERO, &mut taking).await;
                let ended = if now.is_err() { at_work.pop() } else { None };
                let waited = ended.is_some();
                drop(ended);
                assert!(!waited || timeout(Duration::ZERO, taking).await.is_ok());
            });
        }
    }
}
