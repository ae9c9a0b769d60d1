// The data set `volumes` over a made manifest and cache: parts by patient, folds, labels, what is wrong with it, statistics, pictures.
#include <xxhash.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "core/check.h"
#include "core/files.h"
#include "data/browse.h"
#include "data/datasets/factory.h"
#include "data/datasets/volumes.h"
#include "data/inspect.h"
#include "data/recipes.h"
#include "data/stage.h"
#include "data/volumes/manifest.h"
#include "data/volumes/volume_cache.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

constexpr FrameShape kShape{4, 6, 5, 1};

Frames volume_of(int number) {
  Frames hu(PixelType::kI16, kShape);
  for (int64_t i = 0; i < kShape.elements(); ++i) hu.i16()[i] = static_cast<int16_t>(number * 100 + i - 200);
  return hu;
}

/// Twelve volumes of six patients: two for the test, one for validation, three for training; folds 0 to 2; labels any and subdural.
VolumeManifest made_root(const fs::path& root, const std::function<void(VolumeManifest&)>& change = {}) {
  VolumeManifest manifest;
  manifest.name = "Made";
  manifest.label_names = {"any", "subdural"};
  manifest.shape = kShape;
  manifest.settings = R"({"made":1})";
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(XXH3_64bits(manifest.settings.data(), manifest.settings.size())));
  manifest.settings_digest = digest;
  manifest.folds = 3;
  for (int i = 0; i < 12; ++i) {
    const int patient = i / 2;
    char id[17], name[17];
    std::snprintf(id, sizeof id, "%016x", i);
    std::snprintf(name, sizeof name, "%016x", 0xa0 + patient);
    VolumeEntry entry{id, name,
                      patient < 2    ? VolumeSplit::kTest
                      : patient == 2 ? VolumeSplit::kValidation
                                     : VolumeSplit::kTrain,
                      patient < 2 ? 0 : patient % 3};
    entry.labels = i % 3 == 0 ? std::vector<float>{1, i % 6 == 0 ? 1.0f : 0.0f} : std::vector<float>{0, 0};
    if (entry.labels[0] > 0 && entry.labels[1] == 0) entry.labels = {1, 1};
    entry.slices = 30;
    entry.spacing_mm = {5.0 + i, 0.5, 0.5};
    entry.file = std::string("volumes/") + id;
    entry.digest = write_cached_volume(root / entry.file, volume_of(i), manifest.settings_digest);
    manifest.entries.push_back(entry);
  }
  if (change) change(manifest);
  write_volume_manifest(root, manifest);
  return manifest;
}

VolumesConfig config_of(const fs::path& root, std::optional<int64_t> fold = std::nullopt, VolumeLabels labels = VolumeLabels::kAny) {
  return {root.string(), fold, labels};
}

std::set<std::string> patients_of(const Dataset& dataset) {
  std::set<std::string> patients;
  for (int64_t i = 0; i < dataset.size(); ++i) patients.insert(dataset.group(i));
  return patients;
}

template <class E, class F>
std::string error_of(F&& make) {
  try {
    make();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("volumes: parts, voxels, labels, patients", "[volumes]") {
  TemporaryFolder folder;
  made_root(folder.path());
  const DatasetConfig config = config_of(folder.path());
  REQUIRE(has_validation(config));
  const auto train = make_dataset(config, Split::kTrain), validation = make_dataset(config, Split::kValidation),
             test = make_dataset(config, Split::kTest);
  CHECK((train->size() == 6 && validation->size() == 2 && test->size() == 4));
  CHECK(train->class_names() == std::vector<std::string>{"negative", "positive"});
  CHECK_FALSE(train->multi_label());
  CHECK((train->label(0) == 1 && train->label(1) == 0));  // volumes 6 and 7
  CHECK_THAT(test->describe(), Catch::Contains("Made test: 4 volumes 4x6x5, patients: 2"));
  const auto source = train->open(1);
  CHECK((source->info().shape == kShape && source->info().label == 0 && source->info().name == "volume 0000000000000007"));
  const auto whole = source->decode({});
  CHECK(std::equal(whole.i16(), whole.i16() + kShape.elements(), volume_of(7).i16()));
  const auto part = source->decode({{3, 1}, Box{2, 1, 3, 2}});
  REQUIRE(part.shape() == FrameShape{2, 3, 2, 1});
  for (int64_t z = 0; z < 2; ++z)
    for (int64_t y = 0; y < 3; ++y)
      for (int64_t x = 0; x < 2; ++x) CHECK(part.i16()[(z * 3 + y) * 2 + x] == volume_of(7).i16()[((z == 0 ? 3 : 1) * 6 + y + 2) * 5 + x + 1]);
  std::set<std::string> all;
  for (const auto* dataset : {train.get(), validation.get(), test.get()})
    for (const auto& patient : patients_of(*dataset)) CHECK(all.insert(patient).second);
  CHECK(all.size() == 6);
}

TEST_CASE("volumes: a fold is validation in place of the manifest's part, the test part stays", "[volumes]") {
  TemporaryFolder folder;
  made_root(folder.path());
  std::set<std::string> validated;
  const auto test = patients_of(*make_dataset(config_of(folder.path()), Split::kTest));
  for (int64_t fold = 0; fold < 3; ++fold) {
    const auto config = config_of(folder.path(), fold);
    const auto train = patients_of(*make_dataset(config, Split::kTrain)), validation = patients_of(*make_dataset(config, Split::kValidation));
    CHECK(patients_of(*make_dataset(config, Split::kTest)) == test);
    CHECK(train.size() + validation.size() == 4);
    for (const auto& patient : validation) {
      CHECK_FALSE((train.contains(patient) || test.contains(patient)));
      validated.insert(patient);
    }
  }
  CHECK(validated.size() == 4);
  CHECK_THAT(error_of<ConfigError>([&] { make_dataset(config_of(folder.path(), 3), Split::kTrain); }),
             Catch::Contains("data.fold is 3") && Catch::Contains("folds 0 to 2"));
}

TEST_CASE("volumes: all labels, each a yes or no", "[volumes]") {
  TemporaryFolder folder;
  made_root(folder.path());
  const auto test = make_dataset(config_of(folder.path(), std::nullopt, VolumeLabels::kAll), Split::kTest);
  CHECK((test->multi_label() && test->class_names() == std::vector<std::string>{"any", "subdural"}));
  CHECK(test->open(0)->info().targets == std::vector<float>{1, 1});
  CHECK(test->open(1)->info().targets == std::vector<float>{0, 0});
}

TEST_CASE("volumes: without labels they can be predicted and nothing else", "[volumes]") {
  TemporaryFolder folder;
  made_root(folder.path(), [](VolumeManifest& manifest) {
    manifest.label_names.clear();
    for (auto& entry : manifest.entries) entry.labels.clear(), entry.split = VolumeSplit::kTest, entry.fold = 0;
  });
  const auto test = make_dataset(config_of(folder.path()), Split::kTest);
  CHECK((test->size() == 12 && test->label(0) == -1 && test->open(0)->info().label == -1));
  CHECK_THAT(error_of<DataError>([&] { make_dataset(config_of(folder.path()), Split::kTrain); }),
             Catch::Contains("no volumes for train") && Catch::Contains("with labels"));
  CHECK_THAT(error_of<ConfigError>([&] { make_dataset(config_of(folder.path(), std::nullopt, VolumeLabels::kAll), Split::kTest); }),
             Catch::Contains("prepared without labels"));
  TemporaryFolder partly;
  made_root(partly.path(), [](VolumeManifest& manifest) { manifest.entries[8].labels.clear(); });
  CHECK_THAT(error_of<DataError>([&] { make_dataset(config_of(partly.path()), Split::kTrain); }),
             Catch::Contains("1 volumes without labels for train"));
}

TEST_CASE("volumes: what is not there or damaged is named", "[volumes]") {
  TemporaryFolder folder;
  CHECK_THAT(error_of<DataError>([&] { make_dataset(config_of(folder.path()), Split::kTrain); }), Catch::Contains("liere-data prepare rsna"));
  made_root(folder.path());
  const auto train = make_dataset(config_of(folder.path()), Split::kTrain);
  CHECK(train->verify().empty());
  auto bytes = read_file(folder.path() / "volumes/0000000000000007");
  bytes[100] ^= 1;
  fs::remove(folder.path() / "volumes/0000000000000007");
  std::ofstream(folder.path() / "volumes/0000000000000007", std::ios::binary) << bytes;
  REQUIRE(train->verify().size() == 1);
  CHECK_THAT(train->verify()[0], Catch::Contains("0000000000000007 is damaged: its values do not have their digest"));
  CHECK_THAT(error_of<DataError>([&] { train->open(1); }), Catch::Contains("liere-data prepare"));
  CHECK_THROWS_AS(make_dataset(ArrowsConfig{}, Split::kValidation), ConfigError);
}

TEST_CASE("volumes: statistics, browsing and staging", "[volumes]") {
  TemporaryFolder folder;
  made_root(folder.path());
  const auto test = make_dataset(config_of(folder.path()), Split::kTest);
  const auto statistics = compute_statistics(*test, 100);
  CHECK((statistics.hounsfield && statistics.class_counts == std::vector<int64_t>{2, 2} && statistics.mean.size() == 1));
  // Volumes 0 to 3 are shifted by 0, 100, 200, 300 from -200 .. -81.
  CHECK(statistics.mean[0] == Approx(150 - 200 + 59.5));
  CHECK_THAT(to_text(statistics), Catch::Contains("Hounsfield units, over all samples") &&
                                      Catch::Contains("any: 2 of 4 positive (50.0 %); always the majority is right in 50.0 %") &&
                                      Catch::Contains("slices 5 / 7 / 8"));
  const auto several = compute_statistics(*make_dataset(config_of(folder.path(), std::nullopt, VolumeLabels::kAll), Split::kTest), 0);
  CHECK(several.class_counts == std::vector<int64_t>{2, 2});

  const auto stored = contact_sheet(*test, 0, 4, nullptr, 0);
  CHECK((stored.type() == PixelType::kU8 && stored.shape().elements() > 0));
  AugmentConfig augment;
  augment.normalization = NormalizationKind::kHalf;
  augment.volume.noise = 5;
  const auto recipe = make_train_recipe(DatasetConfig(config_of(folder.path())), augment, {4, 6, 5});
  CHECK(recipe->output_shape() == FrameShape{4, 6, 5, 3});
  CHECK(contact_sheet(*test, 0, 4, recipe.get(), 0).shape().elements() > 0);
  CHECK_THROWS_WITH(make_eval_recipe(DatasetConfig(config_of(folder.path())), augment, {6, 5}), Catch::Contains("[slices, rows, columns]"));

  TemporaryFolder stage;
  DataConfig data;
  data.dataset = config_of(folder.path());
  data.stage = stage.path().string();
  const auto staged = staged_dataset(data);
  CHECK(std::get<VolumesConfig>(staged).root != folder.path().string());
  CHECK(make_dataset(staged, Split::kTrain)->verify().empty());
}
