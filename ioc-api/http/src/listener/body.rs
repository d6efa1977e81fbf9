//! The body of a request, which must make progress.
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body came too slowly.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body came too slowly")]
pub struct TooSlow;

/// Whether the body of a request came too slowly; an extension of the request.
#[derive(Debug, Clone, Default)]
pub struct BodyPace(Arc<AtomicBool>);

impl BodyPace {
    /// Reports whether it did.
    pub fn is_too_slow(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body that fails when it comes more slowly than it must.
///
/// Only the time counts in which somebody waits for it.
pub struct Paced<B> {
    inner: B,
    began: Instant,
    received: u64,
    grace: Duration,
    rate: u32,
    end: Pin<Box<Sleep>>,
    pace: BodyPace,
}

impl<B> Paced<B> {
    /// Gives `inner` the time `grace`, and a second more for every `rate` bytes that have come. `pace` knows
    /// when that was not enough.
    pub fn new(inner: B, grace: Duration, rate: u32, pace: BodyPace) -> Self {
        let began = Instant::now();
        Self { inner, began, received: 0, grace, rate, end: Box::pin(sleep_until(began + grace)), pace }
    }

    fn deadline(&self) -> Instant {
        let earned = self.received.saturating_mul(1000) / u64::from(self.rate.max(1));
        self.began + self.grace + Duration::from_millis(earned)
    }
}

impl<B> Body for Paced<B>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B::Data: bytes::Buf,
{
    type Data = B::Data;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                self.received += frame.data_ref().map_or(0, |data| bytes::Buf::remaining(data) as u64);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = self.deadline();
        if self.end.deadline() != deadline {
            self.end.as_mut().reset(deadline);
        }
        ready!(self.end.as_mut().poll(cx));
        self.pace.0.store(true, Ordering::Release);
        Poll::Ready(Some(Err(Box::new(TooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    /// A body that comes as it is sent.
    struct Sent(mpsc::Receiver<Bytes>);

    impl Body for Sent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    /// Sends `chunk` bytes each second; says whether the body comes to its end.
    async fn arrives(chunk: usize, seconds: usize) -> bool {
        let (sender, receiver) = mpsc::channel(1);
        let sending = tokio::spawn(async move {
            for _ in 0..seconds {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if sender.send(Bytes::from(vec![0; chunk])).await.is_err() {
                    return;
                }
            }
        });
        let pace = BodyPace::default();
        let body = Paced::new(Sent(receiver), Duration::from_secs(10), 1000, pace.clone());
        let collected = body.collect().await;
        sending.await.unwrap();
        assert_eq!(collected.is_err(), pace.is_too_slow());
        collected.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_slow_but_must_not_trickle() {
        assert!(arrives(1_000, 300).await, "five minutes at the slowest rate");
        assert!(arrives(1, 9).await, "a small one within the time that each has");
        assert!(!arrives(1, 300).await);
        assert!(!arrives(900, 300).await);
    }
}
