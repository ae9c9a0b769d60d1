// What a figure of a method is known to be: its mean over seeds with a 95 % interval, and differences between methods.
//   seeds and samples  top-1 where every run's samples.csv is there and of the same test samples: core/seed_statistics.h, 1,000 resamples
//   seeds              anything else of several seeds: Student's t
//   samples            one run: the evaluation's own interval (bootstrap), else Wilson's. It says nothing of other seeds
//   evaluations        epochs of one run: it reached the level somewhere between two evaluations
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/seed_statistics.h"
#include "report/groups.h"
#include "report/outcomes.h"

namespace liere::report {

struct Estimate {
  double mean = kUnknown;
  size_t seeds = 0;                  // runs it is the mean of
  std::optional<Interval> interval;  // within 0..100 where the figure is a share
  std::string over;                  // "seeds and samples", "seeds", "samples", "evaluations"; empty without an interval
};

/// Two methods on the same seeds; differences are second - first in points of top-1.
struct Comparison {
  const Group *first = nullptr, *second = nullptr;
  std::vector<int64_t> seeds;  // that both have
  double difference = kUnknown;
  std::optional<Interval> interval;  // over seeds and samples, or seeds; with one seed over samples: of two runs, not of two methods
  std::string over;
  std::optional<SignFlipResult> flips;   // from three seeds
  std::optional<double> p_holm;          // of flips.p, over all comparisons of one dataset
  std::optional<McNemarResult> mcnemar;  // of one seed each: of these two runs
};

/// Reads what the runs hold when it is asked for. The runs must outlive it.
class Estimates {
 public:
  /// Throws DataError where a samples.csv is damaged.
  explicit Estimates(const std::vector<Run>& runs);

  Estimate top1(const Group& group) const;
  /// Of a figure that may be unknown for some runs (the estimate is unknown then). `own` is a single run's own interval.
  static Estimate of(const Group& group, const std::function<double(const Run&)>& figure,
                     const std::function<std::optional<Interval>(const Run&)>& own, bool is_share);

  /// Every pair of finished groups that have a dataset, its share, the epochs and a seed in common: another length or other data are not another method. Of more than
  /// `most` pairs of a dataset those with the best of their training.
  std::vector<Comparison> comparisons(const std::vector<Group>& groups, size_t most = 45) const;

  /// Runs whose samples.csv is missing or contradicts eval.json.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Known {
    Outcomes outcomes;
    size_t test_set;                // runs of equal ones saw the same samples
    std::vector<double> resampled;  // means over the resampled samples, all runs of a test set on the same draws
  };
  /// Of all of them, on one test set; empty else.
  std::vector<const Known*> known(const std::vector<const Run*>& runs) const;
  Comparison compare(const Group& first, const Group& second) const;

  std::map<const Run*, Known> known_;
  std::vector<std::string> notes_;
};

}  // namespace liere::report
