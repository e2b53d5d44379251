//! The laws that every [`SessionStore`] must satisfy, as tests for implementors.
//!
//! Rotation is safe on a store that satisfies all of them. Add this crate with the feature `conformance` to the
//! dev-dependencies of the store, and generate a test for each law:
//!
//! ```
//! use tower_refresh_core::{MemoryStore, conformance_tests};
//!
//! conformance_tests! {
//!     store: async { MemoryStore::new() },
//!     block_on: futures_executor::block_on,
//! }
//! # let store = MemoryStore::new();
//! # futures_executor::block_on(tower_refresh_core::conformance::nothing_revives_a_purged_session(&store));
//! ```
//!
//! - `store` is a future that returns the store. Each test awaits it once, inside `block_on`. The tests may share a
//!   database, even concurrently and with existing rows, because each uses handles and subjects of its own, new at every
//!   run. They do not remove their rows, and they purge the rows of sessions that ended or expired before a time in 2096.
//! - `block_on` is a function that runs a future to completion: one from a runtime's crate, or a closure around a runtime
//!   that is built once.
//! - Attributes before `store` are applied to every test, for example `#[ignore = "needs PostgreSQL"]`.
//!
//! Each law is also a function, which panics if the store violates it. The laws never sleep or read a clock. Any version
//! may add laws.
//!
//! [`SessionStore`]: crate::SessionStore

#![allow(clippy::missing_panics_doc, reason = "a law panics if the store violates it")]

mod create;
mod end;
mod end_subject;
mod feed;
mod join;
mod list;
mod outdate;
mod purge;
mod races;
mod swap;
mod trial;

/// The only list of laws. A law that is not in it is dead code; a law that is in it becomes a test of every store.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_conformance_laws {
    ([$($then:tt)*] $arguments:tt) => {
        $($then)*! {
            $arguments
            create {
                every_field_of_a_created_row_is_loaded
                the_smallest_and_largest_numbers_are_kept
                texts_are_kept_byte_for_byte
                a_text_with_nul_is_kept_or_rejected
                large_meta_and_data_are_kept
                an_empty_text_is_not_an_absent_one
                an_absent_binding_or_idle_lifetime_is_kept
                every_kind_of_address_is_kept
                an_unknown_handle_loads_nothing
                similar_handles_are_different_sessions
                create_rejects_the_handle_of_a_live_session
                create_rejects_the_handle_of_an_ended_session
                create_rejects_the_handle_of_an_expired_session
            }
            swap {
                a_swap_writes_what_may_change_and_the_given_version
                a_swap_replaces_data_and_binding
                a_swap_keeps_what_never_changes
                a_swap_takes_the_largest_numbers
                each_swap_needs_the_version_of_the_one_before
                a_version_is_told_as_a_load_would_find_it
                a_swap_at_another_version_changes_nothing
                every_write_stores_the_version_that_it_is_given
                a_swap_of_an_unknown_row_creates_nothing
                a_swap_of_an_ended_row_changes_nothing
                a_swap_touches_no_other_row
            }
            end {
                an_end_is_loaded_with_its_reason_and_time
                an_end_changes_nothing_but_ended_and_version
                an_end_happens_once
                an_end_needs_no_version
                a_swap_prepared_before_the_end_fails
                an_end_of_an_unknown_row_creates_nothing
                an_expired_session_can_be_ended
                an_end_touches_no_other_row
            }
            end_subject {
                ending_a_subject_ends_all_its_sessions
                ending_a_subject_spares_the_exception
                ending_a_subject_returns_exactly_what_it_ended
                ending_a_subject_leaves_similar_subjects_alone
                swaps_prepared_before_a_subject_is_ended_fail
                ending_a_subject_leaves_later_logins_alone
                ending_an_unknown_subject_ends_nothing
            }
            list {
                a_list_has_whole_rows_newest_login_first
                a_list_omits_ended_and_expired_sessions
                an_expiry_equal_to_now_has_passed_in_a_list
                a_list_shows_what_was_swapped
                a_list_has_the_sessions_of_one_subject_only
                pages_together_are_the_list
                ten_thousand_sessions_of_one_subject_are_listed_and_ended
            }
            purge {
                a_purge_removes_exactly_the_rows_dead_before_the_given_time
                a_purge_uses_the_earlier_of_session_end_and_expiry
                a_purge_follows_a_moved_expiry
                purging_until_nothing_is_left_removes_all
                a_purge_of_nothing_removes_nothing
                nothing_revives_a_purged_session
            }
            races {
                of_many_creates_of_one_handle_one_succeeds
                of_many_swaps_at_one_version_one_succeeds
                of_many_ends_one_succeeds
                an_end_among_swaps_is_final
                ending_a_subject_during_logins_ends_exactly_what_it_returns
            }
            outdate {
                outdating_claims_adds_one_to_the_epoch_and_returns_it
                outdating_claims_changes_nothing_but_epoch_and_version
                a_swap_prepared_before_claims_were_outdated_fails
                outdating_claims_needs_no_version
                claims_of_an_ended_session_are_not_outdated
                outdating_claims_of_an_unknown_row_creates_nothing
                claims_of_an_expired_session_can_be_outdated
                the_largest_epoch_stays
                outdating_claims_touches_no_other_row
                each_of_many_calls_outdates_claims
                outdating_claims_among_swaps_loses_neither
                an_end_among_calls_that_outdate_claims_is_final
            }
            feed {
                a_watcher_receives_each_session_end
                a_watcher_receives_earlier_session_ends_before_it_has_caught_up
                a_watcher_receives_no_session_end_before_the_requested_time
                every_watcher_receives_each_session_end
                every_watcher_receives_each_epoch_of_outdated_claims
                a_watcher_receives_earlier_outdated_claims_before_it_has_caught_up
                a_watcher_receives_no_claims_outdated_before_the_requested_time
                a_watcher_receives_no_outdated_claims_of_ended_sessions
                a_watcher_receives_the_end_of_a_session_with_outdated_claims
            }
        }
    };
}

/// Generates a `#[test]` for each law of the [`conformance`](crate::conformance) suite. See there for the arguments.
#[macro_export]
macro_rules! conformance_tests {
    ($(#[$attribute:meta])* store: $store:expr, block_on: $block_on:expr $(,)?) => {
        $crate::__with_conformance_laws! {
            [$crate::__conformance_tests] { [$(#[$attribute])*] { $store } { $block_on } }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($arguments:tt $($module:ident { $($law:ident)* })*) => {
        $($($crate::__conformance_test! { $law $arguments })*)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    ($law:ident { [$($attribute:tt)*] { $store:expr } { $block_on:expr } }) => {
        #[test]
        $($attribute)*
        fn $law() {
            ($block_on)(async {
                let store = ($store).await;
                $crate::conformance::$law(&store).await;
            });
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_exports {
    ({} $($module:ident { $($law:ident)* })*) => {
        $(pub use self::$module::{$($law),*};)*
    };
}

crate::__with_conformance_laws! { [crate::__conformance_exports] {} }
