// liere-data series: what is told of a folder of DICOM files, and that no patient's identifier is.
#ifdef LIERE_DICOM
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "data/dicom/look.h"
#include "made_dicom.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;
using namespace liere::test;

namespace fs = std::filesystem;

namespace {

void put(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, bytes);
}

}  // namespace

TEST_CASE("a folder's DICOM series are listed with their oddities and pictures, without identifiers of patients", "[dicom]") {
  const TemporaryFolder folder;
  const auto from = folder.path() / "from";
  const auto second = [](DcmDataset& set) {
    set_text(set, DCM_SeriesInstanceUID, "1.2.3.6");
    set_text(set, DCM_PatientID, "Secret^Name");
  };
  for (int i = 0; i < 6; ++i) put(from / "a" / ("f" + std::to_string(5 - i)), made_slice(i));
  for (int i = 0; i < 3; ++i) put(from / "b" / ("g" + std::to_string(i)), made_slice(i, second));
  put(from / "a" / "again", made_slice(2));
  put(from / "notes.html", "<html>");
  LookOptions options{from.string(), (folder.path() / "sheets").string(), (folder.path() / "series.json").string()};
  look_at_series(options);
  const std::string text = read_file(options.json);
  const auto report = nlohmann::json::parse(text);
  CHECK(text.find("Secret") == std::string::npos);
  CHECK(report.at("files") == 11);
  REQUIRE(report.at("left_out").size() == 1);
  CHECK(report.at("left_out")[0].at("where") == "notes.html");
  REQUIRE(report.at("series").size() == 2);
  nlohmann::json six, three;
  for (const auto& series : report.at("series")) (series.at("files") == 7 ? six : three) = series;
  CHECK(six.at("slices") == 6);
  CHECK(six.at("spacing_mm") == nlohmann::json({5.0, 0.5, 0.5}));
  REQUIRE(six.at("findings").size() == 1);
  CHECK(six.at("findings")[0].at("code") == "duplicate_instance");
  CHECK(fs::exists(six.at("picture").get<std::string>()));
  CHECK_THAT(three.at("refused").get<std::string>(), has("too_few_slices"));

  fs::remove_all(from / "a");
  CHECK_THROWS_WITH(look_at_series(options), has("at least one series"));
  options.from = (folder.path() / "nowhere").string();
  CHECK_THROWS_WITH(look_at_series(options), has("not there"));
}
#endif
