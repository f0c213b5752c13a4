//! What people do with Boxoffice, told from outside, over HTTP alone. Each story is told in every
//! shape: it makes no difference to anybody whether one process runs or nine, or on which database.

#![cfg(test)]

mod house;
mod people;
mod shapes;
mod stories;

use shapes::in_every_shape;

in_every_shape! {
    sell shared {
        a_ticket_is_bought_and_lets_its_bearer_in_once
        the_buyer_is_told_and_the_organizer_sees_it_in_the_report
    }
}
