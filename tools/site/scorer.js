/* scorer.js: which page a search names first: one whose title has the words, and a guide before a proof.
 * The numbers of Sphinx; score() is ours.
 * SPDX-License-Identifier: Apache-2.0
 */
var Scorer = {
    score: result => {
        const [page, title, , , score] = result;
        const asked = (new URLSearchParams(window.location.search).get("q") || "").toLowerCase();
        const words = asked.split(/\s+/).filter(word => word !== "");
        const isTitle = words.length > 0 && words.every(word => title.toLowerCase().includes(word));
        const proofs = ["known-bugs", "found-by-simulation", "simulator", "model-checking",
            "contributing", "api/sim", "examples/counter", "examples/sim_counter"];
        return score + (isTitle ? 20 : 0) - (proofs.includes(page) ? 10 : 0);
    },
    objNameMatch: 11,
    objPartialMatch: 6,
    objPrio: {0: 15, 1: 5, 2: -5},
    objPrioDefault: 0,
    title: 15,
    partialTitle: 7,
    term: 5,
    partialTerm: 2,
};
