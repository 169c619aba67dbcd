//! Who may run beside whom.
//!
//! Tests run side by side, as many as the computer has cores: that is right for most here, since they wait. A network of two dozen nodes in
//! this process needs half a core once it stands, and more while it starts. Two of them do no harm to each other, both wait for what
//! comes. But who counts packets over time must not lose ticks to a third, however many tests somebody asks for at once.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static ROOM: RwLock<()> = RwLock::new(());

/// For a test with a network that only has to get somewhere.
pub fn shared() -> RwLockReadGuard<'static, ()> {
    ROOM.read().unwrap_or_else(PoisonError::into_inner)
}

/// For a test with a network whose packets are counted over time: no other network beside it. Processes of their own that mostly wait may be.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    // A test that failed in here has left nothing behind.
    ROOM.write().unwrap_or_else(PoisonError::into_inner)
}
