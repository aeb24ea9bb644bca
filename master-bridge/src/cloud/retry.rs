//! When a call is repeated, and after how long. Pure.

use std::time::Duration;

use super::{Call, Fault, FaultKind};

/// Attempts in all; with the delays below they span about a minute, so that a service may restart.
const ATTEMPTS: u32 = 8;
const FIRST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(15);

/// How long to wait before the next attempt, or `None` if there is to be none. `noise` is between 0 and 1.
pub(super) fn again(call: &Call, fault: &Fault, attempt: u32, noise: f64) -> Option<Duration> {
    if attempt >= ATTEMPTS {
        return None;
    }
    let may = match fault.kind {
        // Nothing was sent, or nothing was done.
        FaultKind::Unreachable | FaultKind::Busy => true,
        FaultKind::Lost | FaultKind::Service => call.idempotent,
        FaultKind::Conflict => call.wait_out_conflicts,
        FaultKind::Unauthorized
        | FaultKind::Forbidden
        | FaultKind::NotFound
        | FaultKind::Quota
        | FaultKind::Invalid
        | FaultKind::Garbled => false,
    };
    if !may {
        return None;
    }
    if let Some(seconds) = fault.retry_after {
        return Some(Duration::from_secs(seconds.clamp(1, 60)));
    }
    let full = FIRST.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
    // Many bridges that lost the same service must not come back in the same second.
    Some(full.min(MOST).mul_f64(0.5 + noise.clamp(0.0, 1.0) / 2.0))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::Service;
    use super::*;

    #[test]
    fn what_may_have_been_done_is_not_done_again() {
        let get = Call::get(Service::Compute, &["servers"]);
        let post = Call::post(Service::Compute, &["servers"], Value::Null);
        let patient = post.clone().wait_out_conflicts();
        for (call, kind, may) in [
            (&get, FaultKind::Lost, true),
            (&post, FaultKind::Lost, false),
            (&get, FaultKind::Service, true),
            (&post, FaultKind::Service, false),
            (&post, FaultKind::Unreachable, true),
            (&post, FaultKind::Busy, true),
            (&get, FaultKind::Conflict, false),
            (&patient, FaultKind::Conflict, true),
            (&get, FaultKind::NotFound, false),
            (&get, FaultKind::Quota, false),
        ] {
            let fault = Fault::new(kind, "x", "");
            assert_eq!(
                again(call, &fault, 1, 0.5).is_some(),
                may,
                "{call:?} {kind:?}"
            );
        }
    }

    #[test]
    fn delays_grow_to_a_bound_and_the_service_may_name_its_own() {
        let get = Call::get(Service::Compute, &["servers"]);
        let mut fault = Fault::new(FaultKind::Busy, "x", "");
        let at = |fault: &Fault, attempt, noise| again(&get, fault, attempt, noise);
        assert_eq!(at(&fault, 1, 1.0), Some(Duration::from_millis(250)));
        assert_eq!(at(&fault, 1, 0.0), Some(Duration::from_millis(125)));
        assert_eq!(at(&fault, 4, 1.0), Some(Duration::from_secs(2)));
        assert_eq!(at(&fault, 7, 1.0), Some(MOST));
        assert_eq!(at(&fault, 8, 1.0), None);
        fault.retry_after = Some(7);
        assert_eq!(at(&fault, 2, 0.3), Some(Duration::from_secs(7)));
        fault.retry_after = Some(100_000);
        assert_eq!(at(&fault, 2, 0.3), Some(Duration::from_secs(60)));
    }
}
