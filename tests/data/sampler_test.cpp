// The sampler's order and the released code's data ablation.
#include "data/sampler.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>

#include "core/check.h"
#include "core/rng.h"
#include "support/catch.h"

using namespace liere;

namespace {

// Indices that are no positions: a subset of a larger dataset.
std::vector<int64_t> subset(int64_t n) {
  std::vector<int64_t> indices(n);
  for (int64_t i = 0; i < n; ++i) indices[i] = 3 * i + 5;
  return indices;
}

std::vector<int64_t> epoch_of(const Sampler& sampler, int64_t epoch) {
  std::vector<int64_t> all;
  for (int64_t step = 0; step < sampler.steps_per_epoch(); ++step)
    for (const int64_t index : sampler.batch({epoch, step})) all.push_back(index);
  return all;
}

}  // namespace

TEST_CASE("an epoch of the sampler holds each index once") {
  const Sampler sampler(subset(103), 10, false, 1);
  REQUIRE(sampler.steps_per_epoch() == 11);
  CHECK(sampler.batch({0, 9}).size() == 10);
  CHECK(sampler.batch({0, 10}).size() == 3);
  for (const int64_t epoch : {0, 1, 7}) {
    std::vector<int64_t> all = epoch_of(sampler, epoch);
    CHECK(all != subset(103));
    std::sort(all.begin(), all.end());
    CHECK(all == subset(103));
  }
}

TEST_CASE("drop_last leaves out the incomplete batch of the sampler and nothing else") {
  const Sampler whole(subset(103), 10, false, 1), dropped(subset(103), 10, true, 1);
  REQUIRE(dropped.steps_per_epoch() == 10);
  for (int64_t step = 0; step < 10; ++step) CHECK(dropped.batch({2, step}) == whole.batch({2, step}));
  CHECK_THROWS_AS(dropped.batch({2, 10}), std::out_of_range);
  CHECK(Sampler(subset(100), 10, true, 1).steps_per_epoch() == Sampler(subset(100), 10, false, 1).steps_per_epoch());
}

TEST_CASE("epochs and seeds order the sampler differently, and the order is the stream of purpose 3") {
  const Sampler sampler(subset(50), 50, true, 1);
  CHECK(sampler.batch({0, 0}) != sampler.batch({1, 0}));
  CHECK(sampler.batch({0, 0}) != Sampler(subset(50), 50, true, 2).batch({0, 0}));
  const std::vector<int64_t> order = Rng(1, Purpose::kOrder, 4).permutation(50), batch = sampler.batch({4, 0});
  for (int64_t slot = 0; slot < 50; ++slot) REQUIRE(batch[slot] == 3 * order[slot] + 5);
}

TEST_CASE("a sampler asked for any step first gives what an uninterrupted one gives") {
  const Sampler uninterrupted(subset(64), 8, true, 9);
  std::vector<std::vector<int64_t>> batches;
  for (int64_t epoch = 0; epoch < 3; ++epoch)
    for (int64_t step = 0; step < 8; ++step) batches.push_back(uninterrupted.batch({epoch, step}));
  for (int64_t start = 23; start >= 0; --start) {
    const Sampler resumed(subset(64), 8, true, 9);
    REQUIRE(resumed.batch({start / 8, start % 8}) == batches[start]);
    REQUIRE(uninterrupted.batch({start / 8, start % 8}) == batches[start]);
  }
}

TEST_CASE("the sampler refuses what has no batches") {
  CHECK_THROWS_AS(Sampler(subset(7), 8, true, 1), DataError);
  CHECK_THROWS_AS(Sampler({}, 8, false, 1), DataError);
  CHECK_THROWS_AS(Sampler(subset(7), 0, false, 1), DataError);
  const Sampler sampler(subset(8), 8, true, 1);
  CHECK_THROWS_AS(sampler.batch({0, -1}), std::out_of_range);
  CHECK_THROWS_AS(sampler.batch({-1, 0}), std::out_of_range);
}

// torch 2.11.0: torch.randperm(n, generator=torch.Generator().manual_seed(42)); the hash is FNV-1a over the whole list, one step per entry.
TEST_CASE("the data ablation draws torch.randperm's permutation (parity)") {
  struct Golden {
    int64_t n;
    std::array<int64_t, 10> first;
    std::array<int64_t, 3> last;
    uint64_t hash;
  };
  const std::array<Golden, 3> goldens = {
      {{10, {2, 6, 1, 8, 4, 5, 0, 9, 3, 7}, {9, 3, 7}, 0xb3b37708c70ce962},
       {1000, {542, 618, 816, 68, 94, 215, 60, 585, 942, 165}, {638, 96, 455}, 0x7593c28448000885},
       {50000, {37542, 44491, 216, 43688, 41558, 32245, 27206, 10863, 2190, 31849}, {40730, 25847, 33082}, 0x19af616eb8e5cbd3}}};
  for (const Golden& golden : goldens) {
    const std::vector<int64_t> found = ablation_subset(golden.n, 1.0);
    REQUIRE(static_cast<int64_t>(found.size()) == golden.n);
    CHECK(std::equal(golden.first.begin(), golden.first.end(), found.begin()));
    CHECK(std::equal(golden.last.begin(), golden.last.end(), found.end() - 3));
    uint64_t hash = 0xcbf29ce484222325u;
    for (const int64_t index : found) hash = (hash ^ static_cast<uint64_t>(index)) * 0x100000001b3u;
    CHECK(hash == golden.hash);
  }
}

TEST_CASE("the data ablation keeps the floor of fraction times n, each subset inside the larger") {
  const std::vector<int64_t> whole = ablation_subset(999, 1.0);
  for (const auto& [fraction, size] : {std::pair(0.3, 299), {0.5, 499}, {0.9, 899}, {0.001, 0}}) {
    const std::vector<int64_t> part = ablation_subset(999, fraction);
    REQUIRE(static_cast<int>(part.size()) == size);
    CHECK(std::equal(part.begin(), part.end(), whole.begin()));
  }
  CHECK(ablation_subset(50000, 0.7).size() == 35000);
  CHECK_THROWS_AS(ablation_subset(0, 0.5), DataError);
  CHECK_THROWS_AS(ablation_subset(10, 0), DataError);
  CHECK_THROWS_AS(ablation_subset(10, 1.1), DataError);
  CHECK_THROWS_AS(ablation_subset(int64_t(1) << 32, 0.5), DataError);
}

TEST_CASE("a balanced sampler shows every class equally often, large ones in part, small ones repeatedly", "[sampler]") {
  std::vector<int64_t> indices, labels;
  for (int64_t i = 0; i < 100; ++i) {
    indices.push_back(1000 + i);
    labels.push_back(i < 80 ? 7 : i < 97 ? 3 : 5);  // 80, 17 and 3 samples
  }
  const Sampler sampler(indices, 8, /*drop_last=*/false, /*seed=*/1, labels);
  const Sampler again(indices, 8, false, 1, labels);
  CHECK(sampler.steps_per_epoch() == 13);
  std::set<int64_t> seen_of_large;
  for (int64_t epoch = 0; epoch < 6; ++epoch) {
    std::map<int64_t, int64_t> of_class, of_sample;
    std::vector<int64_t> order;
    for (int64_t step = 0; step < sampler.steps_per_epoch(); ++step) {
      const auto batch = sampler.batch({epoch, step});
      CHECK(batch == again.batch({epoch, step}));
      for (const int64_t sample : batch) {
        order.push_back(labels[static_cast<size_t>(sample - 1000)]);
        ++of_class[order.back()];
        ++of_sample[sample];
        if (order.back() == 7) seen_of_large.insert(sample);
      }
    }
    CHECK(order.size() == 100);
    for (const auto& [label, count] : of_class) CHECK((count == 33 || count == 34));
    for (const auto& [sample, count] : of_sample) {
      const int64_t label = labels[static_cast<size_t>(sample - 1000)];
      CHECK(count <= (label == 7 ? 1 : label == 3 ? 2 : 12));  // no sample comes again before all of its class have come
    }
    CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  }
  CHECK(seen_of_large.size() > 70);  // another part in each epoch
}
