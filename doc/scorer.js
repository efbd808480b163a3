// Guide and reference first, then the examples, then pages of figures, messages and decisions.
const places = [
  [/^(start|user_guide|importances|rules)$/, 30],
  [/^api\/sklearn_set\.SET(Classifier|Regressor)$/, 27],
  [/^api\//, 25],
  [/^gallery\//, 5],
  [/^(benchmarks\/|decisions\/|messages$|changelog$)/, -10],
];

var Scorer = {
  score: ([docname, title, anchor, description, score]) =>
    score + (places.find(([pattern]) => pattern.test(docname)) || [null, 0])[1],

  // What Sphinx gives by default.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
