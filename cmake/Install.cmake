# What `cmake --install` and `cpack` put together: a folder that runs from wherever it is unpacked, beside a LibTorch that is there (its 2 GB stay outside).
#   bin/           two lines of shell for each command
#   libexec/       the programs; run, which finds that LibTorch, sets LD_LIBRARY_PATH and starts them; tests/: the test binaries (component tests)
#   lib/           the shared libraries that they need, but LibTorch, CUDA and the C and C++ runtime of the system
#   share/liere/   as in the source tree: configs, docs, scripts, tests/{golden,bench,e2e}
# Programs are installed by liere_install_programs (LiereTargets.cmake), tests by liere_test.
set(share share/liere)
install(DIRECTORY configs docs DESTINATION ${share} PATTERN pictures EXCLUDE PATTERN results EXCLUDE)
install(FILES README.md LICENSE CHANGELOG.md CITATION.cff DESTINATION ${share})
install(PROGRAMS scripts/gpu-check.sh scripts/run-tests.sh DESTINATION ${share}/scripts)
install(FILES scripts/steps.sh scripts/gpu-page.py DESTINATION ${share}/scripts)
install(DIRECTORY scripts/slurm DESTINATION ${share}/scripts USE_SOURCE_PERMISSIONS)
install(DIRECTORY tests/bench DESTINATION ${share}/tests PATTERN __pycache__ EXCLUDE PATTERN CMakeLists.txt EXCLUDE PATTERN *.cpp EXCLUDE)
install(DIRECTORY tests/golden tests/e2e DESTINATION ${share}/tests COMPONENT tests PATTERN __pycache__ EXCLUDE PATTERN CMakeLists.txt EXCLUDE PATTERN *.cpp EXCLUDE)
foreach(script gpu-check run-tests)
  liere_install_wrapper(liere-${script} "" ${share}/scripts/${script}.sh)
endforeach()
liere_install_wrapper(liere-submit "" ${share}/scripts/slurm/submit.sh)
set(torch_library libtorch_cpu.so)
if(LIERE_CUDA)
  set(torch_library libtorch_cuda.so)
endif()
configure_file(cmake/run.sh.in ${CMAKE_BINARY_DIR}/package/run @ONLY)
install(PROGRAMS ${CMAKE_BINARY_DIR}/package/run DESTINATION libexec)

# The libraries are read off the programs of the build folder, whose DT_RPATH finds LibTorch; what is left out is not followed further.
# Ours are installed as targets.
get_property(installed GLOBAL PROPERTY LIERE_INSTALLED)
set(outside libliere libtorch libc10 libshm libcudart libcupti libgomp libcuda libnv libnccl libcublas libcudnn
  libc[.]so libm[.]so libstdc[+][+] libgcc_s libdl[.]so libpthread librt[.]so libutil[.]so ld-linux)
list(JOIN outside | outside)
set(programs "")
foreach(program ${installed})
  string(APPEND programs " \"$<TARGET_FILE:${program}>\"")
endforeach()
install(CODE "
  set(programs)
  foreach(program ${programs})
    if(EXISTS \${program}) # not so where one component alone is installed
      list(APPEND programs \${program})
    endif()
  endforeach()
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES \${programs} PRE_EXCLUDE_REGEXES \"^(${outside})\"
    RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing CONFLICTING_DEPENDENCIES_PREFIX conflicts)
  if(missing)
    message(FATAL_ERROR \"These libraries were not found and cannot be packaged: \${missing}\")
  endif()
  set(folder \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib\")
  file(MAKE_DIRECTORY \${folder})
  foreach(library \${found})
    file(REAL_PATH \${library} file)
    get_filename_component(name \${library} NAME)
    file(COPY_FILE \${file} \${folder}/\${name} ONLY_IF_DIFFERENT)
  endforeach()")

get_filename_component(preset ${CMAKE_BINARY_DIR} NAME)
set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_NAME liere)
set(CPACK_PACKAGE_FILE_NAME liere-${PROJECT_VERSION}-${preset}-linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
include(CPack)
