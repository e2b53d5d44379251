//! The laws find the mistakes that stores make.

mod faulty;

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_executor::block_on;
use tower_refresh_core::{conformance, conformance_tests};

use self::faulty::{Fault, FaultyStore};

conformance_tests! {
    store: async { FaultyStore::new(None) },
    block_on: futures_executor::block_on,
}

/// Asserts of each fault that the law finds it.
macro_rules! finds {
    ($($fault:ident: $law:ident;)*) => {
        $(
            let store = FaultyStore::new(Some(Fault::$fault));
            let outcome = catch_unwind(AssertUnwindSafe(|| block_on(conformance::$law(&store))));
            assert!(outcome.is_err(), "{} misses {}", stringify!($law), stringify!($fault));
        )*
    };
}

#[test]
fn each_fault_is_found_by_the_law_about_it() {
    finds! {
        CreateOverwrites: create_refuses_the_handle_of_a_live_session;
        CreateOverwrites: create_refuses_the_handle_of_an_ended_session;
        CreateOverwrites: of_many_creates_of_one_handle_one_succeeds;
        CreateOverwritesEnded: create_refuses_the_handle_of_an_ended_session;
        CreateLosesMilliseconds: every_field_of_a_created_row_is_loaded;
        CreateTrimsTexts: texts_are_kept_byte_for_byte;
        CreateCutsAtNul: a_text_with_nul_is_kept_or_refused;
        CreateDropsEmptyTexts: an_empty_text_is_not_an_absent_one;
        HandlesIgnoreCase: similar_handles_are_different_sessions;
        LoadHidesEnded: an_end_is_loaded_with_its_reason_and_time;
        SwapInserts: a_swap_of_an_unknown_row_creates_nothing;
        SwapInserts: nothing_revives_a_purged_session;
        SwapIgnoresVersion: a_swap_at_another_version_changes_nothing;
        SwapIgnoresVersion: of_many_swaps_at_one_version_one_succeeds;
        SwapIgnoresEnd: a_swap_of_an_ended_row_changes_nothing;
        SwapKeepsVersion: a_swap_writes_what_rotations_change_and_counts_the_write;
        SwapForgetsExpiry: a_list_shows_what_was_swapped;
        SwapForgetsExpiry: a_purge_follows_a_moved_expiry;
        EndAgain: an_end_happens_once;
        EndAgain: of_many_ends_one_succeeds;
        EndInserts: an_end_of_an_unknown_row_creates_nothing;
        EndKeepsVersion: an_end_changes_nothing_but_ended_and_version;
        EndSparesExpired: an_expired_session_can_be_ended;
        EndSubjectIgnoresException: ending_a_subject_spares_the_exception;
        EndSubjectReturnsAll: ending_a_subject_returns_exactly_what_it_ended;
        SubjectsIgnoreCase: ending_a_subject_leaves_similar_subjects_alone;
        SubjectsIgnoreCase: a_list_is_of_one_subject_only;
        SubjectsByPrefix: ending_a_subject_leaves_similar_subjects_alone;
        ListShowsEnded: a_list_leaves_out_ended_and_expired_sessions;
        ListOldestFirst: a_list_holds_whole_rows_newest_login_first;
        ListAtExpiry: an_expiry_equal_to_now_is_past_in_a_list;
        PurgeAtTheTime: a_purge_removes_what_was_dead_before_and_nothing_else;
        PurgeByExpiryOnly: a_purge_removes_what_was_dead_before_and_nothing_else;
        PurgeByExpiryOnly: a_purge_counts_from_the_first_death;
        PurgeStopsEarly: purging_until_nothing_is_left_removes_all;
        PurgeNeverZero: a_purge_before_the_first_death_removes_nothing;
        FeedForgetsThePast: a_watcher_is_told_of_the_ends_before_it_came;
        FeedLeavesOutTheTime: a_watcher_is_told_of_the_ends_before_it_came;
        FeedTellsAll: a_watcher_is_not_told_of_what_it_did_not_ask_for;
        FeedTellsWrongTimes: a_watcher_is_told_of_each_end;
        FeedStops: a_watcher_is_told_of_each_end;
        FeedStops: every_watcher_is_told;
    }
}
