# Refuses a folder of native/ with code and without tests of its own. The bindings are tested from Python.
function(need_tests)
  file(GLOB code RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS */*.cpp */*.h)
  foreach(source IN LISTS code)
    get_filename_component(folder ${source} DIRECTORY)
    if(folder MATCHES "^(bindings|tests)$")
      continue()
    endif()
    file(GLOB suite CONFIGURE_DEPENDS tests/${folder}/test_*.cpp)
    if(NOT suite)
      message(FATAL_ERROR "native/${folder} has code and no C++ tests. Add native/tests/${folder} with a test_*.cpp and "
                          "a CMakeLists.txt that calls callring_test(${folder} ...), and list it in "
                          "native/tests/CMakeLists.txt.")
    endif()
  endforeach()
endfunction()
