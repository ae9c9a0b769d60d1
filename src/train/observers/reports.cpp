#include "train/observers/reports.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace liere {
namespace {

using nlohmann::json;

/// JSON has no infinities: a non-finite number becomes null.
json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

}  // namespace

json to_json(const StepReport& r) {
  json object = {{"event", "train"}, {"epoch", r.epoch}, {"step", r.step}, {"samples", r.samples}, {"loss", finite(r.loss)}, {"lr", r.lr},
                 {"samples_per_second", finite(r.samples_per_second)}, {"data_wait", finite(r.data_wait)}, {"grad_norm", finite(r.gradient_norm)}};
  if (r.skipped) object["skipped"] = true;
  if (r.skipped_steps > 0) object["skipped_steps"] = r.skipped_steps;
  if (r.memory) object["memory"] = *r.memory;
  for (const auto& [key, value] : {std::pair("mfu", r.mfu), std::pair("orthogonality", r.orthogonality), std::pair("parameter_norm", r.parameter_norm),
                                   std::pair("seconds_left", r.seconds_left)})
    if (std::isfinite(value)) object[key] = value;
  return object;
}

json to_json(const EvaluationReport& r) {
  json object = {{"event", "eval"}, {"epoch", r.epoch}, {"step", r.step}, {"samples", r.samples}, {"split", r.split}, {"top1", r.result.top1()},
          {"top5", r.result.top5()}, {"loss", finite(r.result.loss())}, {"count", r.result.count}, {"train_loss", finite(r.train_loss)}, {"lr", finite(r.lr)}};
  if (r.videos) object.update({{"video_top1", r.videos->top1()}, {"video_top5", r.videos->top5()}, {"video_loss", finite(r.videos->loss())}, {"videos", r.videos->count}});
  return object;
}

}  // namespace liere
