//! The bridge: keys, remastering and OpenStack, from the master's side.
