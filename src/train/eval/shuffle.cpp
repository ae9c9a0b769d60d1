// Test `shuffle` (paper table B): every image's patches in an order of its own, drawn from (seed, sample), before positions are added.
#include "train/eval/session.h"
#include "train/eval/text.h"

namespace liere {

TestOutput shuffle_test(EvalSession& session) {
  const auto before = outcomes_of(session.predictions().rows);
  const auto recipe = session.recipe();
  const auto resamples = session.config().eval.resamples;
  std::vector<Outcomes> repetitions;
  for (int64_t seed = 0; seed < session.config().eval.shuffle_seeds; ++seed) {
    auto options = session.options("shuffled, seed " + std::to_string(seed));
    options.shuffle_seed = static_cast<uint64_t>(seed);
    repetitions.push_back(outcomes_of(session.evaluate_rows(session.test_set(), *recipe, options)));
  }
  TestOutput output{repeated_result(before, repetitions, resamples), {}, {}};
  output.result.update({{"before", scores(before, resamples)}, {"bootstrap", bootstrap_statement(resamples)}});
  return output;
}

std::string describe_shuffle(const nlohmann::json& result) {
  const auto& before = result.at("before");
  return aligned_text({{"", "seeds", "top-1 %", "95 % interval", "loss", "relative drop %", "95 % interval"},
                       {"before", "", fixed_text(number_in(before, "top1"), 2), interval_text(before, "top1", 2), fixed_text(number_in(before, "loss"), 4), "", ""},
                       repeated_line("shuffled", result)});
}

}  // namespace liere
