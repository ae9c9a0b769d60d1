// What evaluation loads in which batch, and how many workers load.
#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/control_group.h"
#include "data/loader.h"

namespace liere {

WorkPlan evaluation_plan(std::vector<int64_t> indices, int64_t batch_size, int64_t rank, int64_t world, int64_t views) {
  if (batch_size < 1 || views < 1 || world < 1 || rank < 0 || rank >= world)
    throw ConfigError("evaluation: expected batch_size, views, world >= 1 and 0 <= rank < world, found " + std::to_string(batch_size) + ", " +
                      std::to_string(views) + ", " + std::to_string(world) + " and rank " + std::to_string(rank));
  const int64_t rows = (batch_size + views - 1) / views * views;
  const auto samples = std::make_shared<const std::vector<int64_t>>(std::move(indices));
  return [=](int64_t batch_number) -> std::optional<WorkItem> {
    const int64_t items = static_cast<int64_t>(samples->size()) * views;
    const int64_t begin = (rank + batch_number * world) * rows, end = std::min(begin + rows, items);
    if (begin >= items) return std::nullopt;
    WorkItem work;
    work.pad_to = rows;
    for (int64_t item = begin; item < end; ++item) {
      work.indices.push_back((*samples)[item / views]);
      work.views.push_back(item % views);
    }
    return work;
  };
}

WorkPlan evaluation_plan(int64_t size, int64_t batch_size, int64_t rank, int64_t world, int64_t views) {
  std::vector<int64_t> indices(size);
  std::iota(indices.begin(), indices.end(), 0);
  return evaluation_plan(std::move(indices), batch_size, rank, world, views);
}

int64_t default_workers() { return std::min<int64_t>(usable_processors(), 4); }

}  // namespace liere
