// Test `accuracy`: the figures of the paper's table A, with their intervals, and every sample beside them.
#include "train/eval/scores.h"
#include "train/eval/tests.h"
#include "train/eval/text.h"

namespace liere {

TestOutput accuracy_test(const Predictions& predictions) {
  TestOutput output{scores(outcomes_of(predictions.rows), predictions.resamples), {{"samples.csv", samples_csv(predictions.rows)}}, {}};
  output.result["bootstrap"] = bootstrap_statement(predictions.resamples);
  return output;
}

std::string describe_accuracy(const nlohmann::json& result) {
  const auto line = [&result](const char* name, const char* key, int decimals) {
    return std::vector<std::string>{name, fixed_text(number_in(result, key), decimals), interval_text(result, key, decimals)};
  };
  return aligned_text({{"", "value", "95 % interval"}, line("top-1 %", "top1", 2), line("top-5 %", "top5", 2), line("loss", "loss", 4)});
}

}  // namespace liere
