//! Reading what a command prints, beside it, into bounded buffers that can be looked at before the end.

use std::io::Read;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The streams of one command.
pub(super) struct Streams {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    buffers: [Vec<u8>; 2],
    open: usize,
}

impl Streams {
    /// One stream that carries both.
    pub(super) fn one(stream: impl Read + Send + 'static, limit: usize) -> Self {
        let streams = Self::new(1);
        streams.read(0, stream, limit);
        streams
    }

    /// Standard output and standard error.
    pub(super) fn two<O, E>(stdout: Option<O>, stderr: Option<E>, limit: usize) -> Self
    where
        O: Read + Send + 'static,
        E: Read + Send + 'static,
    {
        let streams = Self::new(usize::from(stdout.is_some()) + usize::from(stderr.is_some()));
        if let Some(stream) = stdout {
            streams.read(0, stream, limit);
        }
        if let Some(stream) = stderr {
            streams.read(1, stream, limit);
        }
        streams
    }

    fn new(open: usize) -> Self {
        let state = State {
            buffers: [Vec::new(), Vec::new()],
            open,
        };
        let shared = Shared {
            state: Mutex::new(state),
            ended: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn read(&self, number: usize, mut stream: impl Read + Send + 'static, limit: usize) {
        let shared = self.shared.clone();
        let read = move || {
            let mut chunk = [0; 16 << 10];
            while let Ok(n @ 1..) = stream.read(&mut chunk) {
                let mut state = shared.state();
                let buffer = &mut state.buffers[number];
                let room = limit.saturating_sub(buffer.len()).min(n);
                buffer.extend(&chunk[..room]);
            }
            shared.state().open -= 1;
            shared.ended.notify_all();
        };
        let spawned = thread::Builder::new()
            .name("output".into())
            .stack_size(128 << 10)
            .spawn(read);
        if spawned.is_err() {
            // Without a thread there is no output; the command must not be waited for because of it.
            self.shared.state().open -= 1;
        }
    }

    /// Whether every stream came to its end.
    pub(super) fn finished(&self) -> bool {
        self.shared.state().open == 0
    }

    /// Waits for the end of the streams, at most this long.
    pub(super) fn wait(&self, time: Duration) {
        let state = self.shared.state();
        if state.open > 0 {
            drop(self.shared.ended.wait_timeout(state, time));
        }
    }

    /// What was read.
    pub(super) fn take(&self) -> (Vec<u8>, Vec<u8>) {
        let mut state = self.shared.state();
        let [stdout, stderr] = &mut state.buffers;
        (mem::take(stdout), mem::take(stderr))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
