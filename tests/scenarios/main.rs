//! What people do with Boxoffice, told from outside, over HTTP alone. Each story is told in every
//! shape: it makes no difference to anybody whether one process runs or nine, or on which database.

#![cfg(test)]

mod books;
mod faults;
mod gate;
mod ground;
mod house;
mod judge;
mod killed;
mod people;
mod rush;
mod shapes;
mod stories;
mod stubborn;

use shapes::in_every_shape;

in_every_shape! {
    sell shared {
        a_ticket_is_bought_and_lets_its_bearer_in_once
        the_buyer_is_told_and_the_organizer_sees_it_in_the_report
    }
    seats shared {
        seats_are_chosen_held_and_bought
        a_quota_below_what_is_sold_is_overbooked_and_sells_nothing
        a_ticket_type_is_sold_within_its_window_and_limits
        what_is_available_is_followed_live
    }
    pay shared {
        whoever_is_declined_pays_with_another_card
        a_card_with_a_second_step_pays_once_it_is_approved
        a_second_step_that_is_not_approved_takes_no_money
        tickets_that_cost_nothing_are_there_at_once
    }
    call_off shared {
        a_buyer_calls_an_order_off_before_paying
        a_buyer_cannot_call_off_what_is_paid
        an_organizer_calls_off_an_order_that_has_its_tickets
        an_organizer_gives_the_money_back
        places_that_came_back_are_sold_again
    }
    part_refund shared {
        an_organizer_gives_a_part_back_and_the_tickets_stay_good
        a_webhook_that_nobody_signed_is_not_believed
    }
    doors shared {
        a_ticket_that_was_passed_on_opens_doors_with_its_new_code_alone
        staff_scans_for_the_organizer_it_belongs_to
        a_door_without_a_network_tells_later_and_copies_are_reported
        a_buyer_prints_the_tickets
    }
    guests shared {
        a_guest_buys_and_gets_the_tickets
        a_guest_comes_back_with_code_and_secret
        a_guest_sees_nothing_of_others
    }
    give_back shared {
        one_ticket_of_three_goes_back
        a_cancelled_event_pays_everybody_back
    }
    keep_books shared {
        tickets_come_by_mail_and_so_does_what_goes_back
        reports_agree_with_each_other_after_a_ticket_went_back
        a_purchase_leaves_a_trail_in_every_service
    }
    crowd shared {
        of_two_who_want_the_last_place_one_gets_it
        sixty_at_once_buy_twenty_five_places_and_not_one_more
    }
    repeat shared {
        twenty_requests_with_one_key_are_one_purchase
        a_key_is_needed_and_stands_for_one_request_of_one_person
        an_order_that_is_paid_is_not_paid_again
    }
    strangers shared {
        what_belongs_to_others_does_not_exist
        every_operation_that_wants_a_token_refuses_whoever_has_none
        what_everybody_may_read_needs_no_token
    }
    bad_input shared {
        an_order_that_makes_no_sense_is_refused_and_holds_nothing
        a_payment_that_makes_no_sense_takes_nothing
        a_code_that_is_not_ours_opens_no_door
        paths_and_methods_that_do_not_exist_are_problems
    }
    dead_letters alone {
        what_could_not_be_taken_in_takes_effect_in_order_once_it_is_mended
        what_is_discarded_never_takes_effect_and_what_is_behind_it_does
        nobody_but_admins_sees_what_services_could_not_take_in
    }
    time alone {
        an_order_that_nobody_pays_expires_and_frees_its_places
        an_order_expires_though_its_service_was_away_when_it_was_time
        money_that_comes_too_late_buys_tickets_while_there_is_room
        money_that_comes_too_late_goes_back_when_the_places_are_gone
        a_charge_whose_answer_is_lost_is_found_and_counts_once
    }
    crash alone {
        a_purchase_goes_on_after_a_crash_at_any_step
        undoing_a_purchase_goes_on_after_a_crash_at_any_step
    }
    crash_giving_back alone {
        giving_a_ticket_back_goes_on_after_a_crash_at_any_step
        undoing_an_event_goes_on_after_a_crash_at_any_step
        a_guests_purchase_goes_on_after_a_crash_at_any_step
    }
}
