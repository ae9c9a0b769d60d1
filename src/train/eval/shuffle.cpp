// Tests `shuffle` (paper table B): every view's patches in an order of its own, drawn from (seed, sample, view), before positions are added; and `shuffle-frames`:
// every clip's frames, before patches are made of them.
#include "core/check.h"
#include "train/eval/session.h"
#include "train/eval/text.h"

namespace liere {
namespace {

using SeedOption = std::optional<uint64_t> EvaluationOptions::*;

TestOutput shuffled(EvalSession& session, SeedOption seed_option, const std::string& what) {
  const auto& before = session.predictions();
  const auto recipe = session.recipe();
  const auto resamples = session.config().eval.resamples;
  std::vector<Outcomes> views, videos;
  for (int64_t seed = 0; seed < session.config().eval.shuffle_seeds; ++seed) {
    auto options = session.options(what + ", seed " + std::to_string(seed));
    options.*seed_option = static_cast<uint64_t>(seed);
    const auto evaluated = session.evaluate_rows(session.test_set(), *recipe, options);
    views.push_back(outcomes_of(evaluated.rows));
    if (!evaluated.sample_rows.empty()) videos.push_back(outcomes_of(evaluated.sample_rows));
  }
  const auto result = [resamples](const std::vector<Row>& rows, const std::vector<Outcomes>& after) {
    auto object = repeated_result(outcomes_of(rows), after, resamples);
    object["before"] = scores(outcomes_of(rows), resamples);
    return object;
  };
  TestOutput output{result(before.rows, views), {}, {}};
  if (!videos.empty()) output.result["video"] = result(before.sample_rows, videos);
  output.result["bootstrap"] = bootstrap_statement(resamples);
  return output;
}

}  // namespace

TestOutput shuffle_test(EvalSession& session) { return shuffled(session, &EvaluationOptions::shuffle_seed, "shuffled"); }

TestOutput shuffle_frames_test(EvalSession& session) {
  if (session.config().model.axes() != 3)
    throw ConfigError("--test shuffle-frames puts the frames of videos in random order, but this model was trained on " + sample_unit(session.config()) + ". Use --test shuffle.");
  return shuffled(session, &EvaluationOptions::frame_shuffle_seed, "frames shuffled");
}

std::string describe_shuffle(const nlohmann::json& result) {
  std::vector<std::vector<std::string>> rows = {{"", "seeds", "top-1 %", "95 % interval", "loss", "relative drop %", "95 % interval"}};
  const auto add = [&rows](const nlohmann::json& of, const std::string& name) {
    const auto& before = of.at("before");
    rows.push_back({"before" + name, "", fixed_text(number_in(before, "top1"), 2), interval_text(before, "top1", 2), fixed_text(number_in(before, "loss"), 4), "", ""});
    rows.push_back(repeated_line("shuffled" + name, of));
  };
  const bool views = result.contains("video");
  add(result, views ? ", each view" : "");
  if (views) add(result.at("video"), ", mean of a video's views");
  return aligned_text(rows);
}

}  // namespace liere
