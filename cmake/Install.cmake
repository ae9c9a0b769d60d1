# The layout that liere-train looks configs up in: bin/ and share/liere/configs.
include(GNUInstallDirs)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/liere)
