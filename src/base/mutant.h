/* mutant.h: bugs that are seeded on purpose, to prove that the tests find them.
 *
 * Owns     the table of all mutants, and which one lives. Only a build with -DMUTANTS=1
 *          (`tools/build.sh mutants`) holds any of them. In every other build MUTANT() is
 *          false at compile time, and neither the branch nor a word of the table is left.
 * Threads  mutant_choose() before any other thread begins.
 *
 * A mutant is one condition at the branch that obeys the rule it breaks, such as somebody
 * might write who does not know the rule: see CONTRIBUTING.md, Seeded bugs.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MUTANT_H
#define BASE_MUTANT_H

#include "base/types.h"

/* X(NAME, "name-in-words", "what it does wrong", "the rule it breaks") */
/* clang-format off */
#define MUTANT_MAP(X)                                                                              \
    X(ACK_BEFORE_SYNC, "ack-before-sync",                                                          \
      "a follower acknowledges entries that its disk does not have yet", "Raft fig. 2")            \
    X(OWN_COPY_UNSYNCED, "own-copy-unsynced",                                                      \
      "a leader counts its own copy before its save is done", "diss. §10.2.1")                     \
    X(VOTE_BEFORE_DURABLE, "vote-before-durable",                                                  \
      "a vote is sent while it is being saved", "Raft fig. 2")                                     \
    X(VOTE_FORGOTTEN, "vote-forgotten",                                                            \
      "a restart remembers the term and not the vote", "Raft fig. 2")                              \
    X(VOTE_UNSYNCED, "vote-unsynced",                                                              \
      "a save without entries is written and not synced", "Raft fig. 2")                           \
    X(VOTE_TWICE, "vote-twice",                                                                    \
      "a second candidate of a term gets a vote too", "Raft §5.2")                                 \
    X(VOTE_FOR_SHORTER, "vote-for-shorter",                                                        \
      "a shorter log gets the vote if its last term is as late", "Raft §5.4.1")                    \
    X(VOTE_BY_LENGTH, "vote-by-length",                                                            \
      "the length of the log counts before its last term", "Raft §5.4.1")                          \
    X(VOTE_OF_OLD_TERM, "vote-of-old-term",                                                        \
      "an answer to an earlier campaign counts in this one", "Raft §5.2")                          \
    X(VOTE_FROM_PRE_VOTE, "vote-from-pre-vote",                                                    \
      "a late answer to the pre-vote counts as a vote", "diss. §9.6")                              \
    X(QUORUM_OF_HALF, "quorum-of-half",                                                            \
      "half of an even number of voters is a majority", "Raft §5.2")                               \
    X(COMMIT_OLD_TERM, "commit-old-term",                                                          \
      "an entry of an earlier term is committed by counting copies", "Raft §5.4.2")                \
    X(COMMIT_BEYOND_SENT, "commit-beyond-sent",                                                    \
      "a follower commits up to its last entry, not the last one sent", "Raft fig. 2")             \
    X(COMMIT_GOES_BACK, "commit-goes-back",                                                        \
      "a follower takes over a lower commit index from a late message", "Raft fig. 2")             \
    X(STALE_APPEND_TRUNCATES, "stale-append-truncates",                                            \
      "a message removes what lies behind its entries, without a conflict", "Raft §5.3")           \
    X(CONFLICT_UNNOTICED, "conflict-unnoticed",                                                    \
      "an entry of another term at an index is taken for the one sent", "Raft §5.3")               \
    X(PREV_TERM_UNCHECKED, "prev-term-unchecked",                                                  \
      "entries are taken behind an entry of another term", "Raft §5.3")                            \
    X(MATCH_UNVERIFIED, "match-unverified",                                                        \
      "a follower acknowledges all that it has, not what was compared", "Raft §5.3")               \
    X(VERIFIED_KEPT, "verified-kept",                                                              \
      "what was compared with one leader counts for the next one", "Raft §5.3")                    \
    X(REPLACED_SAVE_COUNTS, "replaced-save-counts",                                                \
      "a save of entries that were replaced meanwhile makes the new ones durable", "raft.h")       \
    X(COMPACTED_TERM_IS_ZERO, "compacted-term-is-zero",                                            \
      "the term of the last compacted entry is compared as 0", "Raft §7")                          \
    X(COMPACTED_PREV_REFUSED, "compacted-prev-refused",                                            \
      "entries behind a compacted one are taken for a conflict", "Raft §5.3")                      \
    X(INSTALL_KEEPS_CONFLICT, "install-keeps-conflict",                                            \
      "a snapshot leaves entries that contradict it in the log", "Raft fig. 13")                   \
    X(INSTALL_GOES_BACK, "install-goes-back",                                                      \
      "a snapshot older than what is here is installed", "Raft fig. 13")                           \
    X(INSTALL_ANSWERED_EARLY, "install-answered-early",                                            \
      "a snapshot is told to be installed before the log on disk stands there", "raft.h")          \
    X(READ_WITHOUT_ROUND, "read-without-round",                                                    \
      "a leader confirms a read without asking a majority", "diss. §6.4")                          \
    X(READ_ROUND_REUSED, "read-round-reused",                                                      \
      "a read joins a round that began before it", "diss. §6.4")                                   \
    X(READ_BEFORE_OWN_COMMIT, "read-before-own-commit",                                            \
      "a leader reads at a commit index of an earlier term", "diss. §6.4")                         \
    X(READ_ANSWER_REUSED, "read-answer-reused",                                                    \
      "an answer to an earlier question confirms a later read", "diss. §6.4")                      \
    X(READ_BEFORE_APPLIED, "read-before-applied",                                                  \
      "a confirmed read does not wait for the state machine", "diss. §6.4")                        \
    X(AGE_FROM_ANSWER, "age-from-answer",                                                          \
      "the age of a stale read counts from the answer, not from the question", "stale.c")          \
    X(STALE_WHILE_RESTORING, "stale-while-restoring",                                              \
      "a stale read is served while a snapshot replaces the state", "stale.c")                     \
    X(LEASE_BEYOND_BOUND, "lease-beyond-bound",                                                    \
      "a leader's lease outlasts the patience of its voters", "diss. §6.4.1")                      \
    X(LEASE_SURVIVES_TRANSFER, "lease-survives-transfer",                                          \
      "a leader that told somebody to campaign keeps its lease", "diss. §6.4.1")                   \
    X(LEASE_PROMISE_FORGOTTEN, "lease-promise-forgotten",                                          \
      "a voter that restarts or hears of a later term forgets its promise", "diss. §6.4.1")        \
    X(HINT_BREAKS_PROMISE, "hint-breaks-promise",                                                  \
      "a hint that the leader is gone ends the promise to one that may hold leases", "lease.c")    \
    X(HINT_LOWERS_QUORUM, "hint-lowers-quorum",                                                    \
      "a leader that seems to be gone counts as one more vote for its successor", "Raft §5.2")     \
    X(HINT_SKIPS_PRE_VOTE, "hint-skips-pre-vote",                                                  \
      "a hint that the leader is gone starts a campaign without a question", "diss. §9.6")         \
    X(HINT_OF_OLD_TERM, "hint-of-old-term",                                                        \
      "a hint about a leader counts in whatever term it leads now", "raft.h")                      \
    X(REMOVAL_BELOW_QUORUM, "removal-below-quorum",                                                \
      "dead members are removed until hardly any voter is left", "membership.md")                  \
    X(ANNOUNCEMENT_ADDS, "announcement-adds",                                                      \
      "what a removed member says of itself takes it in again", "membership.md")                   \
    X(REMOVAL_OF_TWO, "removal-of-two",                                                            \
      "two dead members are removed in one change", "membership.md")                               \
    X(REMOVAL_BY_NEW_LEADER, "removal-by-new-leader",                                              \
      "a leader removes whom it has had no time to hear", "membership.md")                         \
    X(GOSSIP_REMOVES_UNASKED, "gossip-removes-unasked",                                            \
      "whom gossip holds for dead is removed though nobody asked for that", "membership.md")       \
    X(JOINT_COUNTS_UNION, "joint-counts-union",                                                    \
      "in a joint configuration a majority of all voters together decides", "Raft §6")             \
    X(JOINT_LEFT_EARLY, "joint-left-early",                                                        \
      "a joint configuration is left before it is committed", "Raft §6")                           \
    X(REMOVED_COUNTS_ITSELF, "removed-counts-itself",                                              \
      "a leader that removes itself counts its own copy", "diss. §4.2.2")                          \
    X(TWO_CHANGES_AT_ONCE, "two-changes-at-once",                                                  \
      "a change of the members begins before the last one is committed", "diss. §4.1")             \
    X(CHANGE_BEFORE_OWN_COMMIT, "change-before-own-commit",                                        \
      "a leader changes the members before it has committed in its term", "raft-dev 2015")         \
    X(CONFIGURATION_KEPT, "configuration-kept",                                                    \
      "a configuration stays in force when its entry is truncated", "Raft §6")                     \
    X(TRANSFER_BEHIND, "transfer-behind",                                                          \
      "a voter is told to campaign before it has all of the log", "diss. §3.10")                   \
    X(TIMEOUT_NOW_OF_OLD_TERM, "timeout-now-of-old-term",                                          \
      "a node campaigns because an earlier leader handed over", "diss. §3.10")                     \
    X(APPLY_BEFORE_DURABLE, "apply-before-durable",                                                \
      "what is committed elsewhere is applied before it is durable here", "architecture.md")       \
    X(APPLY_SKIPS_BORDER, "apply-skips-border",                                                    \
      "an entry is skipped between those read back and those in memory", "Raft fig. 3")            \
    X(LOG_TIME_GOES_BACK, "log-time-goes-back",                                                    \
      "an entry is stamped by the wall clock alone", "architecture.md")                            \
    X(DAMAGE_IS_CUT, "damage-is-cut",                                                              \
      "damage in the middle of the log is cut like a torn tail", "wal-format.md")                  \
    X(FAILED_SYNC_IGNORED, "failed-sync-ignored",                                                  \
      "the log goes on after a write or sync that failed", "wal.h")                                \
    X(STALE_TAIL_TAKEN, "stale-tail-taken",                                                        \
      "stale batches behind a cut tail are taken for new ones", "wal-format.md")                   \
    X(SYNCED_TOO_FAR, "synced-too-far",                                                            \
      "a batch notes as synced what is still being written", "wal-format.md")                      \
    X(REPLACED_TERMS_KEPT, "replaced-terms-kept",                                                  \
      "recovery keeps the terms of entries that were replaced", "wal-format.md")                   \
    X(REPLACED_TAIL_KEPT, "replaced-tail-kept",                                                    \
      "recovery keeps what stood behind entries that were replaced", "wal-format.md")              \
    X(BASE_UNSYNCED, "base-unsynced",                                                              \
      "segments are removed before the base that explains it is durable", "wal-format.md")         \
    X(RESET_WITHOUT_BASE, "reset-without-base",                                                    \
      "the batch that empties the log does not say where it stands", "wal-format.md")              \
    X(SNAPSHOT_UNSYNCED, "snapshot-unsynced",                                                      \
      "a snapshot gets its name before its content is synced", "snapshot-format.md")               \
    X(HALF_SNAPSHOT_COUNTS, "half-snapshot-counts",                                                \
      "a snapshot is ended without the last piece that was given", "snapshot-format.md")           \
    X(RECORD_UNCHECKED, "record-unchecked",                                                        \
      "a record is taken whatever its checksum says", "wal-format.md")                             \
    X(RENAME_UNSYNCED, "rename-unsynced",                                                          \
      "a file is replaced without syncing the directory", "disk.h")                                \
    X(IDENTITY_UNSYNCED, "identity-unsynced",                                                      \
      "a file is renamed before its content is synced", "disk.h")                                  \
    X(SYNC_RETRIED, "sync-retried",                                                                \
      "a failed sync of a file is tried again, and then believed", "disk.h")                       \
    X(IDENTITY_BEFORE_LOG, "identity-before-log",                                                  \
      "the identity says that the log is in use before it is", "architecture.md")                  \
    X(FORWARD_TWICE, "forward-twice",                                                              \
      "a repeated frame of forwarded proposals is appended again", "propose.c")                    \
    X(FORWARD_OF_OLD_TERM, "forward-of-old-term",                                                  \
      "a leader appends proposals that were meant for an earlier one", "propose.c")                \
    X(FORWARD_REFUSED_ANEW, "forward-refused-anew",                                                \
      "a restarted node refuses what it appended before", "propose.c")                             \
    X(REFUSAL_OF_OLD_TERM, "refusal-of-old-term",                                                  \
      "an earlier leader's refusal counts for the sending to the next", "propose.c")               \
    X(SUPERSEDED_TOO_EARLY, "superseded-too-early",                                                \
      "a proposal is given up as soon as the term is over", "propose.c")                           \
    X(TIMEOUT_IS_REFUSAL, "timeout-is-refusal",                                                    \
      "a proposal that went to a leader is refused for want of one", "error.h")                    \
    X(CANCEL_IS_REFUSAL, "cancel-is-refusal",                                                      \
      "a proposal that went to a leader is said to be withdrawn", "expire.c")                      \
    X(DONE_WHEN_APPENDED, "done-when-appended",                                                    \
      "a proposal is acknowledged when the leader has appended it", "Raft §5.3")                   \
    X(COMPACTED_BEFORE_DURABLE, "compacted-before-durable",                                        \
      "the log is compacted while the snapshot is still being written", "compact.c")               \
    X(HALF_INSTALL_COUNTS, "half-install-counts",                                                  \
      "the first piece of a leader's snapshot is taken for all of it", "install.c")                \
    X(SNAPSHOT_WITHOUT_CONFIGURATION, "snapshot-without-configuration",                            \
      "a snapshot does not say who the members are", "Raft §7")                                    \
    X(SNAPSHOT_WITHOUT_SESSIONS, "snapshot-without-sessions",                                      \
      "a snapshot does not hold what was applied under sessions", "docs/exactly-once.md")          \
    X(BARE_BEFORE_DURABLE, "bare-before-durable",                                                  \
      "the log is compacted though the state machine does not durably stand there", "snapshot.c")  \
    X(BARE_SENT, "bare-sent",                                                                      \
      "a member is sent a snapshot without the state", "sending.c")                                \
    X(APPLIED_NOT_COMMITTED, "applied-not-committed",                                              \
      "a start takes only what the log has noted as committed, not what was applied", "open.c")    \
    X(INSTALLED_SENT_AGAIN, "installed-sent-again",                                                \
      "a proposal that may be in an installed snapshot is sent to the next leader", "propose.c")   \
    X(EXPIRY_WHERE_ASKED, "expiry-where-asked",                                                    \
      "log time moves only on the replica that owes the client an answer", "state_machine.h")      \
    X(LOG_TIME_BY_BATCH, "log-time-by-batch",                                                      \
      "log time is set once for all entries that are applied together", "state_machine.h")         \
    X(REPEAT_AFTER_RESTART, "repeat-after-restart",                                                \
      "a restarted node does not remember what it applied under a session", "exactly-once.md")     \
    X(REPEAT_IN_BATCH, "repeat-in-batch",                                                          \
      "two copies of a proposal that are applied together are applied twice", "exactly-once.md")   \
    X(SESSION_BY_OWN_CLOCK, "session-by-own-clock",                                                \
      "sessions expire by each node's own clock", "exactly-once.md")                               \
    X(RESULT_OF_ANOTHER, "result-of-another",                                                      \
      "a repeat gets the latest result, not its own", "exactly-once.md")                           \
    X(RESULT_WHERE_ASKED, "result-where-asked",                                                    \
      "a result is kept only where somebody waited for it", "exactly-once.md")                     \
    X(REJECTION_FORGOTTEN, "rejection-forgotten",                                                  \
      "a repeat of what was rejected is told that it was applied", "exactly-once.md")              \
    X(EXPIRED_IS_APPLIED, "expired-is-applied",                                                    \
      "what comes under a session that is over is applied as if it were new", "exactly-once.md")   \
    X(INVITED_BEFORE_DURABLE, "invited-before-durable",                                            \
      "an invitation succeeds before the node has on its disk that it is in", "membership.md")     \
    X(INVITED_UNTOLD, "invited-untold",                                                            \
      "a node that may have heard an invitation is said not to have been met", "membership.md")    \
    X(INVITED_ANYWHERE, "invited-anywhere",                                                        \
      "who was invited enters whatever cluster answers at the address", "membership.md")           \
    X(SWIM_REFUTE_UNRAISED, "swim-refute-unraised",                                                \
      "who is suspected says so at the same incarnation", "SWIM §4.2")                             \
    X(GOSSIP_STALE_LEADER, "gossip-stale-leader",                                                  \
      "members are told that the last leader leads in the present term", "docs/swim.md")           \
    X(GOSSIP_CANDIDATE_LEADS, "gossip-candidate-leads",                                            \
      "members are told that a candidate leads", "docs/swim.md")                                   \
    X(GOSSIP_TOLD_BY_NAME, "gossip-told-by-name",                                                  \
      "members are told who leads only when it is another one, not of its later terms",            \
      "docs/swim.md")                                                                              \
    X(GOSSIP_HINT_OF_ANY, "gossip-hint-of-any",                                                    \
      "any member that dies is told to Raft as the leader's loss", "docs/swim.md")                 \
    X(SWIM_ALIVE_AT_EQUAL, "swim-alive-at-equal",                                                  \
      "alive overrides suspect and dead at the same incarnation", "SWIM §4.2")                     \
    X(SWIM_EARLIER_LIFE_IGNORED, "swim-earlier-life-ignored",                                      \
      "a node does not go above the incarnation of its earlier life", "swim.md")                   \
    X(SWIM_LEAVER_REFUTES, "swim-leaver-refutes",                                                  \
      "who leaves refutes that it has left", "swim.md")                                            \
    X(SWIM_REAPED_FORGOTTEN, "swim-reaped-forgotten",                                              \
      "who is no longer listed is forgotten, and an old rumour brings it back", "swim.md")         \
    X(SWIM_ONE_WITNESS_KILLS, "swim-one-witness-kills",                                            \
      "one member alone declares another dead", "swim.md")                                         \
    X(SWIM_ANSWERS_FOR_OTHERS, "swim-answers-for-others",                                          \
      "a ping for whoever had the address before is answered", "swim.md")                          \
    X(SWIM_PACKET_OVERFULL, "swim-packet-overfull",                                                \
      "updates are packed without asking for room", "swim.md")                                     \
    X(SWIM_OLD_TERM_LEADS, "swim-old-term-leads",                                                  \
      "a leader of a lower term is believed", "swim.md")                                           \
    X(SWIM_SECOND_LEADER_BELIEVED, "swim-second-leader-believed",                                  \
      "another leader of the same term is believed", "swim.md")                                    \
    X(SWIM_NAME_BY_WORD, "swim-name-by-word",                                                      \
      "a node goes for its name without asking whether the other is there", "swim.md")             \
    X(SWIM_NEWS_FOR_EVER, "swim-news-for-ever",                                                    \
      "an update is spread for ever", "SWIM §4.1")                                                 \
    X(SWIM_UNANSWERED_KILLS, "swim-unanswered-kills",                                              \
      "who hears no answer from anybody declares others dead", "swim.md") \
    X(DIVERGED_READS, "diverged-reads",                                                            \
      "a replica whose state differs goes on answering reads", "divergence.md")                    \
    X(DIVERGED_LEADS, "diverged-leads",                                                            \
      "a replica whose state differs goes on leading", "divergence.md")                            \
    X(DIVERGENCE_FORGOTTEN, "divergence-forgotten",                                                \
      "a restart forgets that the state differed", "divergence.md")                                \
    X(DIGEST_OF_PLURALITY, "digest-of-plurality",                                                  \
      "half of the voters are enough to call the others wrong", "divergence.md")                   \
    X(DIGEST_BEHIND_BATCH, "digest-behind-batch",                                                  \
      "a digest is taken where a batch happens to end", "divergence.md")
/* clang-format on */

enum mutant {
    MUTANT_NONE,
#define X(name, words, breaks, rule) MUTANT_##name,
    MUTANT_MAP(X)
#undef X
        MUTANT_END,
};

#ifdef MUTANTS

extern enum mutant mutant_active;

/* Whether the chosen mutant is the one of this name. */
#define MUTANT(name) __builtin_expect(mutant_active == MUTANT_##name, 0)

struct mutant_line {
    const char *name;
    const char *breaks;
    const char *rule;
};

/* Let the mutant of this name live, and no other. 0 or QR_ERR_NOT_FOUND. */
NODISCARD int mutant_choose(const char *name);

/* The line of the table at this place, from 0; NULL behind the last. */
const struct mutant_line *mutant_at(size_t index);

#else
#define MUTANT(name) (MUTANT_##name == MUTANT_NONE)
#endif

#endif
