//! The rules of the programme: organizers with their members, venues, and events with their ticket
//! types. Pure: the time comes in as a value, and what one aggregate says about another (an
//! event's organizer, an event's venue) is checked by the service.

pub(crate) mod event;
pub(crate) mod organizer;
pub(crate) mod venue;

pub(crate) use event::Event;
pub(crate) use organizer::Organizer;
pub(crate) use venue::Venue;
