//! The conformance laws detect faulty stores.

mod fault;
mod faulty;

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_executor::block_on;
use tower_refresh_core::{conformance, conformance_tests};

use self::{fault::Fault, faulty::FaultyStore};

conformance_tests! {
    store: async { FaultyStore::new(None) },
    block_on: futures_executor::block_on,
}

macro_rules! faults_and_laws {
    ($($fault:ident: $law:ident;)*) => {
        #[test]
        fn each_fault_is_detected_by_its_law() {
            $(
                let store = FaultyStore::new(Some(Fault::$fault));
                let outcome = catch_unwind(AssertUnwindSafe(|| block_on(conformance::$law(&store))));
                assert!(outcome.is_err(), "{} does not detect {}", stringify!($law), stringify!($fault));
            )*
        }

        const TRIED: &[&str] = &[$(stringify!($law)),*];
    };
}

faults_and_laws! {
    CreateOverwrites: create_rejects_the_handle_of_a_live_session;
    CreateReportsAnotherError: create_rejects_the_handle_of_a_live_session;
    CreateOverwrites: create_rejects_the_handle_of_an_ended_session;
    CreateOverwrites: of_many_creates_of_one_handle_one_succeeds;
    CreateOverwritesEnded: create_rejects_the_handle_of_an_ended_session;
    CreateOverwritesExpired: create_rejects_the_handle_of_an_expired_session;
    CreateLosesMilliseconds: every_field_of_a_created_row_is_loaded;
    CreateForgetsAuthentication: every_field_of_a_created_row_is_loaded;
    CreateForgetsIdle: every_field_of_a_created_row_is_loaded;
    CreateForgetsPersistence: every_field_of_a_created_row_is_loaded;
    CreateForgetsEpoch: every_field_of_a_created_row_is_loaded;
    CreateForgetsBinding: every_field_of_a_created_row_is_loaded;
    CreateForgetsVersion: every_field_of_a_created_row_is_loaded;
    CreateDropsEmptyBindings: an_absent_binding_or_idle_lifetime_is_kept;
    CreateSetsIdle: an_absent_binding_or_idle_lifetime_is_kept;
    CreateTrimsTexts: texts_are_kept_byte_for_byte;
    CreateCutsAtNul: a_text_with_nul_is_kept_or_rejected;
    CreateDropsEmptyTexts: an_empty_text_is_not_an_absent_one;
    CreateCutsGenerations: the_smallest_and_largest_numbers_are_kept;
    CreateLosesTheLeastInteger: the_smallest_and_largest_numbers_are_kept;
    CreateLosesTheLargestTime: the_smallest_and_largest_numbers_are_kept;
    CreateLosesTheEpoch: the_smallest_and_largest_numbers_are_kept;
    CreateCutsLongTexts: large_meta_and_data_are_kept;
    CreateCutsLongData: large_meta_and_data_are_kept;
    CreateUnmapsAddresses: every_kind_of_address_is_kept;
    HandlesIgnoreCase: similar_handles_are_different_sessions;
    HandlesLoseTheirEnd: similar_handles_are_different_sessions;
    LoadInvents: an_unknown_handle_loads_nothing;
    LoadHidesEnded: an_end_is_loaded_with_its_reason_and_time;
    SwapInserts: a_swap_of_an_unknown_row_creates_nothing;
    SwapInserts: nothing_revives_a_purged_session;
    SwapIgnoresVersion: a_swap_at_another_version_changes_nothing;
    SwapIgnoresVersion: of_many_swaps_at_one_version_one_succeeds;
    SwapIgnoresEnd: a_swap_of_an_ended_row_changes_nothing;
    SwapIgnoresEnd: an_end_among_swaps_is_final;
    SwapIgnoresAll: a_swap_prepared_before_the_end_fails;
    SwapIgnoresAll: swaps_prepared_before_a_subject_is_ended_fail;
    SwapWinsTwice: each_swap_needs_the_version_of_the_one_before;
    SwapWinsTwice: an_end_among_swaps_is_final;
    SwapCutsGenerations: a_swap_takes_the_largest_numbers;
    TellsFormerVersions: a_version_is_told_as_a_load_would_find_it;
    TellsOfEnded: a_version_is_told_as_a_load_would_find_it;
    SwapTouchesOthers: a_swap_touches_no_other_row;
    SwapKeepsVersion: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsGeneration: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsTheTime: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsConfirmation: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsLateBudget: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsExpiry: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsEpoch: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsBinding: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsData: a_swap_writes_what_may_change_and_the_given_version;
    SwapForgetsData: a_swap_replaces_data_and_binding;
    SwapKeepsAnOldBinding: a_swap_replaces_data_and_binding;
    SwapWritesMeta: a_swap_keeps_what_never_changes;
    SwapWritesAuthentication: a_swap_keeps_what_never_changes;
    SwapWritesIdle: a_swap_keeps_what_never_changes;
    SwapWritesPersistence: a_swap_keeps_what_never_changes;
    SwapIncrementsVersion: a_swap_writes_what_may_change_and_the_given_version;
    SwapIncrementsVersion: every_write_stores_the_version_that_it_is_given;
    SwapIncrementsVersion: each_swap_needs_the_version_of_the_one_before;
    SwapOrdersVersions: a_swap_at_another_version_changes_nothing;
    SwapComparesLowBits: a_swap_at_another_version_changes_nothing;
    SwapForgetsExpiry: a_list_shows_what_was_swapped;
    SwapForgetsExpiry: a_purge_follows_a_moved_expiry;
    EndAgain: an_end_happens_once;
    EndAgain: of_many_ends_one_succeeds;
    EndInserts: an_end_of_an_unknown_row_creates_nothing;
    EndIncrementsVersion: an_end_changes_nothing_but_ended_and_version;
    EndIncrementsVersion: every_write_stores_the_version_that_it_is_given;
    EndIncrementsVersion: ending_a_subject_ends_all_its_sessions;
    EndForgetsBinding: an_end_changes_nothing_but_ended_and_version;
    EndKeepsVersion: an_end_changes_nothing_but_ended_and_version;
    EndNeedsAnUnwrittenRow: an_end_needs_no_version;
    EndNeedsAnUnwrittenRow: an_end_among_swaps_is_final;
    EndEndsTheSubject: an_end_touches_no_other_row;
    EndSparesExpired: an_expired_session_can_be_ended;
    OutdateReturnsTheOldEpoch: outdating_claims_adds_one_to_the_epoch_and_returns_it;
    OutdateKeepsEpoch: outdating_claims_adds_one_to_the_epoch_and_returns_it;
    OutdateStartsAtZero: outdating_claims_adds_one_to_the_epoch_and_returns_it;
    OutdateKeepsVersion: outdating_claims_changes_nothing_but_epoch_and_version;
    OutdateKeepsVersion: a_swap_prepared_before_claims_were_outdated_fails;
    OutdateIncrementsVersion: outdating_claims_changes_nothing_but_epoch_and_version;
    OutdateForgetsBinding: outdating_claims_changes_nothing_but_epoch_and_version;
    OutdateMovesExpiry: outdating_claims_changes_nothing_but_epoch_and_version;
    OutdateNeedsAnUnwrittenRow: outdating_claims_needs_no_version;
    OutdateNeedsAnUnwrittenRow: outdating_claims_among_swaps_loses_neither;
    OutdateIgnoresEnd: claims_of_an_ended_session_are_not_outdated;
    OutdateIgnoresEnd: an_end_among_calls_that_outdate_claims_is_final;
    OutdateInserts: outdating_claims_of_an_unknown_row_creates_nothing;
    OutdateSparesExpired: claims_of_an_expired_session_can_be_outdated;
    OutdateWraps: the_largest_epoch_stays;
    OutdateStopsAtSignedIntegers: the_largest_epoch_stays;
    OutdateKeepsVersionAtTheLargestEpoch: the_largest_epoch_stays;
    OutdateOutdatesTheSubject: outdating_claims_touches_no_other_row;
    OutdateRaces: each_of_many_calls_outdates_claims;
    OutdateRaces: outdating_claims_among_swaps_loses_neither;
    OutdateRaces: an_end_among_calls_that_outdate_claims_is_final;
    SwapIgnoresVersion: a_swap_prepared_before_claims_were_outdated_fails;
    EndSubjectIgnoresException: ending_a_subject_spares_the_exception;
    EndSubjectReturnsAll: ending_a_subject_returns_exactly_what_it_ended;
    EndSubjectForgetsOne: ending_a_subject_returns_exactly_what_it_ended;
    EndSubjectForgetsOne: ending_a_subject_during_logins_ends_exactly_what_it_returns;
    EndSubjectSparesExpired: ending_a_subject_ends_all_its_sessions;
    EndSubjectStopsEarly: ten_thousand_sessions_of_one_subject_are_listed_and_ended;
    EndOfUnknownSubjectEndsAll: ending_an_unknown_subject_ends_nothing;
    CreateEndsLaterLogins: ending_a_subject_leaves_later_logins_alone;
    SubjectsIgnoreCase: ending_a_subject_leaves_similar_subjects_alone;
    SubjectsIgnoreCase: a_list_has_the_sessions_of_one_subject_only;
    SubjectsByPrefix: ending_a_subject_leaves_similar_subjects_alone;
    ListShowsEnded: a_list_omits_ended_and_expired_sessions;
    ListOldestFirst: a_list_has_whole_rows_newest_login_first;
    ListAtExpiry: an_expiry_equal_to_now_has_passed_in_a_list;
    ListIgnoresLimits: pages_together_are_the_list;
    ListRepeatsTheLastRow: pages_together_are_the_list;
    ListSkipsEqualTimes: pages_together_are_the_list;
    ListStopsEarly: ten_thousand_sessions_of_one_subject_are_listed_and_ended;
    PurgeAtTheTime: a_purge_removes_exactly_the_rows_dead_before_the_given_time;
    PurgeByExpiryOnly: a_purge_removes_exactly_the_rows_dead_before_the_given_time;
    PurgeByExpiryOnly: a_purge_uses_the_earlier_of_session_end_and_expiry;
    PurgeStopsEarly: purging_until_nothing_is_left_removes_all;
    PurgeNeverZero: a_purge_of_nothing_removes_nothing;
    FeedOmitsEarlierEnds: a_watcher_receives_earlier_session_ends_before_it_has_caught_up;
    FeedNeverCatchesUp: a_watcher_receives_earlier_session_ends_before_it_has_caught_up;
    FeedOmitsEndsAtSince: a_watcher_receives_earlier_session_ends_before_it_has_caught_up;
    FeedReportsAll: a_watcher_receives_no_session_end_before_the_requested_time;
    FeedReportsWrongTimes: a_watcher_receives_each_session_end;
    FeedStops: a_watcher_receives_each_session_end;
    FeedStops: every_watcher_receives_each_session_end;
    FeedStops: every_watcher_receives_each_epoch_of_outdated_claims;
    FeedStops: a_watcher_receives_the_end_of_a_session_with_outdated_claims;
    FeedOmitsOutdated: every_watcher_receives_each_epoch_of_outdated_claims;
    FeedReportsTheFirstEpochOnly: every_watcher_receives_each_epoch_of_outdated_claims;
    FeedReportsTooLargeEpochs: every_watcher_receives_each_epoch_of_outdated_claims;
    FeedOmitsEarlierOutdated: a_watcher_receives_earlier_outdated_claims_before_it_has_caught_up;
    FeedOmitsOutdatedAtSince: a_watcher_receives_earlier_outdated_claims_before_it_has_caught_up;
    FeedOmitsOutdatedOfExpired: a_watcher_receives_earlier_outdated_claims_before_it_has_caught_up;
    FeedOmitsOutdatedBeforeASwap: a_watcher_receives_earlier_outdated_claims_before_it_has_caught_up;
    FeedForgetsTheLatestTime: a_watcher_receives_earlier_outdated_claims_before_it_has_caught_up;
    FeedReportsAllOutdated: a_watcher_receives_no_claims_outdated_before_the_requested_time;
    FeedReportsEveryEpoch: a_watcher_receives_no_claims_outdated_before_the_requested_time;
    FeedReportsOutdatedOfEnded: a_watcher_receives_no_outdated_claims_of_ended_sessions;
    FeedOmitsOutdated: a_watcher_receives_no_outdated_claims_of_ended_sessions;
    FeedOmitsEndsOfOutdated: a_watcher_receives_the_end_of_a_session_with_outdated_claims;
}

macro_rules! names {
    ({} $($module:ident { $($law:ident)* })*) => {
        [$($(stringify!($law),)*)*]
    };
}

#[test]
fn each_law_detects_a_fault() {
    for law in tower_refresh_core::__with_conformance_laws! { [names] {} } {
        assert!(TRIED.contains(&law), "{law} detects no fault");
    }
}
