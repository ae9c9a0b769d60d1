// RSNA 2019 in small, for scripts that prepare it. make_volumes FOLDER [PATIENTS] writes stage_2_train/ and stage_2_train.csv, six slices a patient.
// make_volumes FOLDER PATIENTS SERIES writes the real series in the folder SERIES once for each patient, under other identifiers, for a model to
// learn by heart: of the even patients as it is, labelled 0, of the odd ones with left and right exchanged, labelled 1.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/check.h"
#include "data/made_series.h"

namespace {

void copy_series(const std::filesystem::path& folder, int patients, const std::filesystem::path& series) {
  using namespace liere::test;
  std::filesystem::create_directories(folder / "stage_2_train");
  std::string table = "ID,Label\n";
  int slice = 0;
  for (const auto& entry : std::filesystem::directory_iterator(series)) {
    if (entry.path().extension() != ".dcm") continue;
    ++slice;
    for (int p = 0; p < patients; ++p) {
      DcmFileFormat file;
      if (file.loadFile(entry.path().c_str()).bad()) throw liere::DataError(entry.path().string() + " cannot be read.");
      auto& set = *file.getDataset();
      const auto name = made_image(p, slice);
      set_text(set, DCM_PatientID, made_patient(p));
      set_text(set, DCM_StudyInstanceUID, made_study(p));
      set_text(set, DCM_SeriesInstanceUID, made_series_uid(p));
      set_text(set, DCM_SOPInstanceUID, name);
      Uint16 rows = 0, columns = 0;
      const Uint16* pixels = nullptr;
      set.findAndGetUint16(DCM_Rows, rows);
      set.findAndGetUint16(DCM_Columns, columns);
      if (set.findAndGetUint16Array(DCM_PixelData, pixels).bad()) throw liere::DataError(entry.path().string() + " has no 16-bit pixels.");
      if (p % 2 == 1) {
        std::vector<Uint16> mirrored(pixels, pixels + size_t(rows) * columns);
        for (size_t row = 0; row < rows; ++row)
          std::reverse(mirrored.begin() + static_cast<std::ptrdiff_t>(row * columns),
                       mirrored.begin() + static_cast<std::ptrdiff_t>((row + 1) * columns));
        set.putAndInsertUint16Array(DCM_PixelData, mirrored.data(), mirrored.size());
      }
      if (file.saveFile((folder / "stage_2_train" / (name + ".dcm")).c_str(), EXS_LittleEndianExplicit).bad())
        throw liere::DataError("a copy cannot be written.");
      for (const char* kind : {"epidural", "intraparenchymal", "intraventricular", "subarachnoid"}) table += name + "_" + kind + ",0\n";
      table += name + "_subdural," + (p % 2 ? "1\n" : "0\n") + name + "_any," + (p % 2 ? "1\n" : "0\n");
    }
  }
  liere::write_file_atomically(folder / "stage_2_train.csv", table);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace liere::test;
  return liere::run_command([&] {
    if (argc < 2) throw liere::ConfigError("make_volumes: expected a folder and, if need be, a number of patients.");
    const int patients = argc > 2 ? std::atoi(argv[2]) : 20;
    if (argc > 3) {
      copy_series(argv[1], patients, argv[3]);
      return 0;
    }
    auto files = made_set(patients, "stage_2_train/");
    files["stage_2_train.csv"] = made_rsna_table(patients);
    write_set(argv[1], files);
    return 0;
  });
}
