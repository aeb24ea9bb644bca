//! What suites share: real masters, a fake one, waits with deadlines.
