//! The connections of one reactor, found by small keys that stay wrong once their connection is gone.
use crate::{connection::Connection, key::Key, meters::CloseReason};
use std::{cell::RefCell, rc::Rc};

type Serving = Rc<RefCell<Connection>>;

#[derive(Default)]
struct Slot {
    generation: u32,
    serving: Option<Serving>,
}

#[derive(Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Slots {
    /// Enters the connection that `make` makes.
    pub(crate) fn insert(&mut self, make: impl FnOnce(Key) -> Serving) -> Serving {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let entry = &mut self.slots[slot as usize];
        let serving = make(Key { slot, generation: entry.generation });
        entry.serving = Some(Rc::clone(&serving));
        serving
    }

    /// Forgets a connection.
    pub(crate) fn remove(&mut self, key: Key) {
        if let Some(entry) = self.slots.get_mut(key.slot as usize)
            && entry.generation == key.generation
            && entry.serving.take().is_some()
        {
            entry.generation = entry.generation.wrapping_add(1);
            self.free.push(key.slot);
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Serving> {
        let entry = self.slots.get(key.slot as usize)?;
        entry.serving.as_ref().filter(|_| entry.generation == key.generation)
    }

    /// Returns all connections with the number of their slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Serving)> {
        self.slots.iter().enumerate().filter_map(|(slot, entry)| Some((slot, entry.serving.as_ref()?)))
    }

    /// Wakes connections that were parked.
    pub(crate) fn unpark(&self, keys: &[Key]) {
        for serving in keys.iter().filter_map(|key| self.get(*key)) {
            let mut serving = serving.borrow_mut();
            serving.parked = false;
            serving.session.handle.wake();
        }
    }

    pub(crate) fn wake_all(&self) {
        self.iter().for_each(|(_, serving)| serving.borrow().session.handle.wake());
    }

    pub(crate) fn close_all(&self, reason: CloseReason) {
        self.iter().for_each(|(_, serving)| serving.borrow().session.handle.close(reason));
    }
}
