// The loader: batches follow from the work items, the recipe and the seed, never from threads; errors and early ends come out cleanly.
#include "made_samples.h"

using namespace liere;
using namespace liere::test;

TEST_CASE("500 batches are the same for 0, 1, 2 and 4 workers and prefetch 1 and 8", "[loader]") {
  const MadeDataset dataset(97, true);
  const MadeRecipe recipe;
  std::set<uint64_t> digests;
  for (const int64_t workers : {0, 1, 2, 4})
    for (const int64_t prefetch : {1, 8}) {
      Loader loader(dataset, recipe, 5, {workers, prefetch}, training_plan(97, 8, 39));
      const auto [hash, count] = digest_all(loader);
      CHECK(count == 507);
      digests.insert(hash);
      CHECK_FALSE(loader.next());
    }
  CHECK(digests.size() == 1);
  Loader other(dataset, recipe, 6, {2, 8}, training_plan(97, 8, 39));
  CHECK(digests.count(digest_all(other).first) == 0);  // the seed counts
}

TEST_CASE("a batch holds what its work item, recipe and stream say", "[loader]") {
  const MadeDataset dataset(50);
  const MadeRecipe recipe(3);
  const WorkItem work{.indices = {41, 7, 7}, .slots = {12, 13, 14}, .views = {0, 0, 2}, .pad_to = 5, .epoch = 9};
  Loader loader(dataset, recipe, 5, {2, 2}, [&](int64_t n) { return n == 0 ? std::optional(work) : std::nullopt; });
  const auto batch = loader.next();
  REQUIRE(batch);
  CHECK(batch->input.sizes() == at::IntArrayRef({5, 3, 3, 4, 4}));  // [B, C, T, H, W]
  CHECK(torch::equal(batch->labels_B, torch::tensor({1, 7, 7, 0, 0}, torch::kInt64)));
  CHECK(torch::equal(batch->weights_B, torch::tensor({1.f, 1.f, 1.f, 0.f, 0.f})));
  CHECK(torch::equal(batch->indices_B, torch::tensor({41, 7, 7, -1, -1}, torch::kInt64)));
  CHECK(torch::equal(batch->views_B, torch::tensor({0, 0, 2, -1, -1}, torch::kInt64)));
  CHECK(torch::equal(batch->slots_B, torch::tensor({12, 13, 14, -1, -1}, torch::kInt64)));
  CHECK(batch->input.slice(0, 3).eq(0).all().item<bool>());
  for (int64_t row = 0; row < 3; ++row) {
    const auto source = dataset.open(work.indices[row]);
    const auto plan =
        recipe.plan(source->info(), Rng(5, Purpose::kAugmentation, 9, uint32_t(work.indices[row]), uint32_t(work.views[row])), work.views[row]);
    auto expected = torch::empty({3, 3, 4, 4});
    normalize(plan.finish(source->decode(plan.request)), recipe.normalization(), expected.data_ptr<float>());
    CHECK(torch::equal(batch->input[row], expected));
  }
  CHECK_FALSE(loader.next());

  const MadeRecipe picture_recipe;
  Loader pictures(dataset, picture_recipe, 5, {0, 1}, evaluation_plan(3, 2, 0, 1));
  const auto first = pictures.next();
  CHECK(first->input.sizes() == at::IntArrayRef({2, 3, 4, 4}));  // no T for pictures
  CHECK_FALSE(first->slots_B.defined());                         // evaluation
}

TEST_CASE("evaluation counts every item once, in the same batch and row at any world size", "[loader]") {
  for (const int64_t size : {0, 1, 7, 8, 23})
    for (const int64_t views : {1, 3}) {
      const int64_t rows = (4 + views - 1) / views * views;
      std::vector<WorkItem> alone;
      const auto one = evaluation_plan(size, 4, 0, 1, views);
      for (int64_t n = 0; auto work = one(n); ++n) alone.push_back(*work);
      CHECK(int64_t(alone.size()) == (size * views + rows - 1) / rows);
      std::set<std::pair<int64_t, int64_t>> seen;
      int64_t items = 0;
      for (const auto& work : alone) {
        CHECK(work.pad_to == rows);
        CHECK(work.slots.empty());
        CHECK(int64_t(work.indices.size()) % views == 0);  // a sample's views stay together
        for (size_t i = 0; i < work.indices.size(); ++i, ++items) seen.insert({work.indices[i], work.views[i]});
      }
      CHECK(items == size * views);
      CHECK(int64_t(seen.size()) == size * views);
      for (const int64_t world : {2, 3}) {
        size_t found = 0;
        for (int64_t rank = 0; rank < world; ++rank) {
          const auto plan = evaluation_plan(size, 4, rank, world, views);
          for (int64_t n = 0; auto work = plan(n); ++n, ++found) {
            CHECK(work->indices == alone.at(rank + n * world).indices);
            CHECK(work->views == alone.at(rank + n * world).views);
          }
        }
        CHECK(found == alone.size());
      }
    }
  CHECK(evaluation_plan(std::vector<int64_t>{5, 2, 9}, 2, 0, 1)(1)->indices == std::vector<int64_t>{9});
  CHECK_THROWS_AS(evaluation_plan(5, 4, 2, 2), ConfigError);
}

TEST_CASE("an error in a worker comes out of next() at its batch's turn, with the sample's name", "[loader]") {
  const MadeRecipe recipe;
  for (const int64_t workers : {0, 1, 4}) {
    INFO("workers " << workers);
    MadeDataset dataset(64);
    dataset.bad_decode = 42;
    int64_t delivered = 0;
    Loader decode(dataset, recipe, 1, {workers, 4}, evaluation_plan(64, 4, 0, 1));
    CHECK(message_of(decode, delivered) == "made[42]: unexpected end of the picture");
    CHECK(delivered == 10);
    CHECK(message_of(decode, delivered) == "made[42]: unexpected end of the picture");  // and again
    dataset.bad_open = 41;                                                              // the earlier row of the same batch wins, whoever fails first
    delivered = 0;
    Loader open(dataset, recipe, 1, {workers, 4}, evaluation_plan(64, 4, 0, 1));
    CHECK(message_of(open, delivered) == "sample 41: no such file");
    CHECK(delivered == 10);

    MadeRecipe wrong;
    wrong.lies = true;
    delivered = 0;
    Loader shape(dataset, wrong, 1, {workers, 4}, evaluation_plan(4, 4, 0, 1));
    CHECK(message_of(shape, delivered) ==
          "made[0]: the recipe made frames of 1 x 4 x 4 x 3 (frames x height x width x channels), expected 2 x 4 x 4 x 3");

    delivered = 0;
    Loader plan(dataset, recipe, 1, {workers, 4}, [](int64_t n) -> std::optional<WorkItem> {
      if (n == 2) throw DataError("no plan");
      return WorkItem{.indices = {1, 2}};
    });
    CHECK(message_of(plan, delivered) == "no plan");
    CHECK(delivered == 2);
  }
  const MadeDataset dataset(8);
  CHECK_THROWS_AS(Loader(dataset, recipe, 1, {-1, 4}, evaluation_plan(8, 4, 0, 1)), ConfigError);
  CHECK_THROWS_AS(Loader(dataset, recipe, 1, {2, 0}, evaluation_plan(8, 4, 0, 1)), ConfigError);
  Loader uneven(dataset, recipe, 1, {2, 1}, [](int64_t) { return WorkItem{.indices = {1, 2}, .slots = {0}}; });
  CHECK_THROWS_AS(uneven.next(), ConfigError);
}

TEST_CASE("prefetch bounds the work ahead, and a loader ends promptly when its consumer stops", "[loader]") {
  const MadeDataset dataset(100000, true);
  const MadeRecipe recipe;
  {
    Loader loader(dataset, recipe, 1, {4, 2}, evaluation_plan(100000, 8, 0, 1));
    loader.next();
    loader.next();
    CHECK(opened_once_settled(dataset, (2 + 2) * 8) == (2 + 2) * 8);
  }
  dataset.opened = 0;
  {
    Loader never_asked(dataset, recipe, 1, {4, 1}, evaluation_plan(100000, 100000, 0, 1));  // half a second of work
    CHECK(opened_once_settled(dataset, 1) > 0);
  }
  CHECK(dataset.opened < 50000);
  {
    Loader nothing(dataset, recipe, 1, {2, 2}, [](int64_t) { return std::nullopt; });
    CHECK_FALSE(nothing.next());
  }
  {  // A rank without samples runs batches of padding alone.
    Loader padding(dataset, recipe, 1, {2, 1}, [](int64_t n) { return n < 3 ? std::optional(WorkItem{.pad_to = 2}) : std::nullopt; });
    for (int i = 0; i < 3; ++i) CHECK(padding.next()->weights_B.sum().item<float>() == 0.0f);
    CHECK_FALSE(padding.next());
  }
}

TEST_CASE("wait_seconds is the time that next() waited", "[loader]") {
  const MadeDataset dataset(44, true);  // four samples take 200 microseconds
  const MadeRecipe recipe;
  Loader direct(dataset, recipe, 1, {0, 1}, evaluation_plan(44, 4, 0, 1));
  while (direct.next()) {
  }
  const double worked = direct.wait_seconds();
  CHECK(worked >= 4 * 200e-6);
  dataset.opened = 0;
  Loader ahead(dataset, recipe, 1, {1, 11}, evaluation_plan(44, 4, 0, 1));
  CHECK(opened_once_settled(dataset, 44) == 44);  // all batches are ready
  CHECK(ahead.next());
  CHECK(ahead.wait_seconds() < worked);
}
