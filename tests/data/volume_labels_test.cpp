// Labels of CT volumes: RSNA's table with all that was seen in it, and the plain table.
#include <sstream>

#include "core/check.h"
#include "data/volumes/labels.h"
#include "support/catch.h"
#include "support/matchers.h"

using namespace liere;
using liere::test::has;

namespace {

const char* const kKinds[] = {"epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"};

/// Six rows of an image; `bits` in the order of kKinds.
std::string rows(const std::string& image, const std::string& bits, const char* end = "\n") {
  std::string text;
  for (int i = 0; i < 6; ++i) text += image + "_" + kKinds[i] + "," + bits[static_cast<size_t>(i)] + end;
  return text;
}

LabelTable rsna(const std::string& body) {
  std::istringstream in("ID,Label\n" + body);
  return read_rsna_labels(in, "labels.csv");
}
LabelTable plain(const std::string& text) {
  std::istringstream in(text);
  return read_volume_labels(in, "labels.csv");
}

template <class F>
std::string error_of(F&& read) {
  try {
    read();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}
std::string rsna_error(const std::string& body) {
  return error_of([&] { rsna(body); });
}
std::string plain_error(const std::string& text) {
  return error_of([&] { plain(text); });
}

CtVolume volume_of(const std::vector<std::string>& slices) {
  CtVolume volume;
  volume.slice_names = slices;
  volume.patient = "p1";
  volume.study = "st1";
  volume.series = "se1";
  return volume;
}

}  // namespace

TEST_CASE("labels: RSNA's table: names, values, line ends, repeated rows", "[volumes]") {
  const auto table = rsna(rows("ID_a", "000011") + rows("ID_b", "000000"));
  CHECK(table.key == LabelKey::kImage);
  CHECK(table.names == std::vector<std::string>{"any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural"});
  CHECK(table.values.at("ID_a") == std::vector<float>{1, 0, 0, 0, 0, 1});
  CHECK(table.values.at("ID_b") == std::vector<float>(6, 0));
  CHECK(table.merged == 0);
  // The image is what stands before the last underscore.
  CHECK(rsna(rows("ID_a_b_c", "000000")).values.contains("ID_a_b_c"));
  std::istringstream windows("\xef\xbb\xbfID,Label\r\n" + rows("ID_a", "100001", "\r\n") + "\r\n");
  CHECK(read_rsna_labels(windows, "x").values.at("ID_a") == std::vector<float>{1, 1, 0, 0, 0, 0});
  // Four images of the published table stand in it twice, in blocks far apart.
  const auto twice = rsna(rows("ID_a", "000011") + rows("ID_b", "000000") + rows("ID_a", "000011"));
  CHECK((twice.values.size() == 2 && twice.merged == 6));
  auto without_end = rows("ID_a", "000000");
  without_end.pop_back();
  CHECK(rsna(without_end).values.size() == 1);
}

TEST_CASE("labels: what is wrong in RSNA's table is said with its line", "[volumes]") {
  CHECK_THAT(rsna_error(""), has("expected labels after the header"));
  CHECK_THAT(error_of([] {
               std::istringstream in("study,any\n");
               read_rsna_labels(in, "labels.csv");
             }),
             has("labels.csv, line 1: expected the header ID,Label"));
  CHECK_THAT(rsna_error(rows("ID_a", "000011") + "ID_a_any,0\n"), has("line 8: image 'ID_a' has the label 0 for any here and the other one"));
  CHECK_THAT(rsna_error("ID_a_any,2\n"), has("line 2: expected the label 0 or 1, found '2'"));
  CHECK_THAT(rsna_error("ID_a_any,\n"), has("found ''"));
  CHECK_THAT(rsna_error("ID_a_any,1.0\n"), has("found '1.0'"));
  CHECK_THAT(rsna_error("ID_a_fracture,1\n"), has("expected one of the kinds"));
  CHECK_THAT(rsna_error("_any,1\n"), has("expected IMAGE_KIND,LABEL"));
  CHECK_THAT(rsna_error("ID_a_any\n"), has("expected IMAGE_KIND,LABEL"));
  CHECK_THAT(rsna_error("IDany,1\n"), has("expected IMAGE_KIND,LABEL"));
  const auto six = rows("ID_a", "000000");
  CHECK_THAT(rsna_error(six.substr(0, six.rfind("ID_a"))), has("labels.csv, line 2: expected six rows for each image, found none of 'ID_a' for any"));
  CHECK_THAT(rsna_error(rows("ID_a", "000010")), has("any = 0, which is not the OR"));
  CHECK_THAT(rsna_error(rows("ID_a", "000001")), has("any = 1, which is not the OR"));
  // Of several such images the first of the file is named, with its first line.
  const auto part = [](const std::string& image) { return image + "_any,0\n"; };
  CHECK_THAT(rsna_error(six + part("ID_z") + rows("ID_y", "000001") + part("ID_b")),
             has("line 8: expected six rows for each image, found none of 'ID_z'"));
  CHECK_THAT(rsna_error(six + rows("ID_y", "000001") + part("ID_b")), has("line 8: image 'ID_y' has any = 1"));
  CHECK(rsna("\n" + six + std::string(65536, ' ') + "\n").values.size() == 1);
  CHECK_THAT(rsna_error(six + std::string(65537, ' ') + "\n"), has("line 8: expected at most 65536 characters"));
  CHECK_THAT(rsna_error(six + std::string(10 << 20, 'x') + "\n"), has("line 8: expected at most 65536 characters"));
}

TEST_CASE("labels: the plain table of studies, series or patients", "[volumes]") {
  const auto table = plain("study,bleed,fracture\nst1,1,0\nst2,0,0\nst1,1,0\n");
  CHECK((table.key == LabelKey::kStudy && table.names == std::vector<std::string>{"bleed", "fracture"} && table.merged == 1));
  CHECK(labels_of(table, volume_of({"s"})) == std::vector<float>{1, 0});
  CHECK(labels_of(plain("series,x\nse1,1\n"), volume_of({"s"})) == std::vector<float>{1});
  CHECK(labels_of(plain("patient,x\np1,0\n"), volume_of({"s"})) == std::vector<float>{0});
  CHECK(labels_of(plain("patient,x\np2,0\n"), volume_of({"s"})).empty());
  CHECK_THAT(plain_error(""), has("found nothing"));
  CHECK_THAT(plain_error("name,x\na,1\n"), has("line 1: expected the header study,LABEL"));
  CHECK_THAT(plain_error("study\na\n"), has("expected 1 to 1000 columns of labels"));
  CHECK_THAT(plain_error("study,x,x\na,1,1\n"), has("'x' has two columns"));
  CHECK_THAT(plain_error("study,x,\na,1,1\n"), has("expected a name in each column"));
  CHECK_THAT(plain_error("study,x\na,1,1\n"), has("line 2: expected 2 columns as in the header, found 3"));
  CHECK_THAT(plain_error("study,x\n,1\n"), has("expected a study in the first column"));
  CHECK_THAT(plain_error("study,x\na,yes\n"), has("line 2: expected the label 0 or 1 in column 2"));
  CHECK_THAT(plain_error("study,x\n"), has("expected labels after the header"));
  const auto conflict = plain_error("patient,x\nSecret,1\nSecret,0\n");
  CHECK_THAT(conflict, has("line 3: the same patient has other labels"));
  CHECK(conflict.find("Secret") == std::string::npos);
  // Without its header, with its columns exchanged: no cell is repeated.
  for (const char* text : {"Secret,1\n", "patient,x\n1,Secret\n", "patient,x\nSecret\n", "patient,x\n,Secret\n", "x,patient\n1,Secret\n"}) {
    const auto message = plain_error(text);
    CHECK_THAT(message, has("labels.csv, line "));
    CHECK(message.find("Secret") == std::string::npos);
  }
}

TEST_CASE("labels: a volume has a label when one of its slices has it", "[volumes]") {
  const auto table = rsna(rows("ID_a", "000011") + rows("ID_b", "100001") + rows("ID_c", "000000"));
  CHECK(labels_of(table, volume_of({"ID_a", "ID_b", "ID_c"})) == std::vector<float>{1, 1, 0, 0, 0, 1});
  CHECK(labels_of(table, volume_of({"ID_c"})) == std::vector<float>(6, 0));
  CHECK(labels_of(table, volume_of({"ID_x", "ID_y"})).empty());
  CHECK_THROWS_WITH(labels_of(table, volume_of({"ID_a", "ID_x"})), has("each of the series' 2 slices, found them for 1"));
}
