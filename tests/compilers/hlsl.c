// Compiles HLSL with one of Microsoft's two compilers, as wgpu asks them: under Wine, from their DLLs.
//
//     hlsl.exe fxc cs_5_1 ENTRY FILE
//     hlsl.exe dxc cs_6_6 ENTRY FILE
//
// The DLLs lie in the working directory or on the search path. It prints what the compiler says and ends with 0 if the
// text is accepted, 1 if not, 2 if nothing could be asked.

#define COBJMACROS
#include <initguid.h>
#include <windows.h>
#include <d3dcommon.h>
#include <stdio.h>
#include <stdlib.h>

// D3DCOMPILE_ENABLE_STRICTNESS
#define STRICTNESS (1u << 11)

typedef HRESULT(WINAPI *Compile)(const void *, SIZE_T, const char *, const void *, void *, const char *, const char *,
                                 UINT, UINT, ID3DBlob **, ID3DBlob **);
typedef HRESULT(WINAPI *Create)(const GUID *, const GUID *, void **);

static int failed(const char *what) {
    fprintf(stderr, "%s: error %lu\n", what, (unsigned long)GetLastError());
    return 2;
}

static int fxc(const char *source, size_t size, const char *profile, const char *entry) {
    HMODULE library = LoadLibraryA("d3dcompiler_47.dll");
    Compile compile = library ? (Compile)(void *)GetProcAddress(library, "D3DCompile") : NULL;
    if (!compile) return failed("d3dcompiler_47.dll");
    ID3DBlob *code = NULL, *messages = NULL;
    HRESULT result = compile(source, size, NULL, NULL, NULL, entry, profile, STRICTNESS, 0, &code, &messages);
    if (messages) printf("%.*s", (int)ID3D10Blob_GetBufferSize(messages), (char *)ID3D10Blob_GetBufferPointer(messages));
    return SUCCEEDED(result) && code ? 0 : 1;
}

// What IDxcCompiler3 and IDxcResult have, as far as it is called here (dxcapi.h).
typedef struct { const void *text; SIZE_T size; UINT encoding; } Buffer;
typedef struct Object Object;
struct Object { void **methods; };
typedef HRESULT(WINAPI *CompileText)(Object *, const Buffer *, const WCHAR **, UINT, void *, const GUID *, void **);
typedef HRESULT(WINAPI *GetStatus)(Object *, HRESULT *);
typedef HRESULT(WINAPI *GetErrors)(Object *, Object **);
typedef void *(WINAPI *GetPointer)(Object *);
typedef SIZE_T(WINAPI *GetSize)(Object *);

DEFINE_GUID(CLSID_Compiler, 0x73e22d93, 0xe6ce, 0x47f3, 0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0);
DEFINE_GUID(IID_Compiler3, 0x228b4687, 0x5a6a, 0x4730, 0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54);
DEFINE_GUID(IID_Result, 0x58346cda, 0xdde7, 0x4497, 0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59);

static int dxc(const char *source, size_t size, const char *profile, const char *entry) {
    HMODULE library = LoadLibraryA("dxcompiler.dll");
    Create create = library ? (Create)(void *)GetProcAddress(library, "DxcCreateInstance") : NULL;
    if (!create) return failed("dxcompiler.dll");
    Object *compiler = NULL, *result = NULL, *errors = NULL;
    if (FAILED(create(&CLSID_Compiler, &IID_Compiler3, (void **)&compiler))) return failed("DxcCreateInstance");
    WCHAR target[16], name[64];
    MultiByteToWideChar(CP_UTF8, 0, profile, -1, target, 16);
    MultiByteToWideChar(CP_UTF8, 0, entry, -1, name, 64);
    const WCHAR *arguments[] = {L"-E", name, L"-T", target, L"-HV", L"2018", L"-no-warnings", L"-Ges"};
    Buffer buffer = {source, size, CP_UTF8};
    CompileText compile = (CompileText)compiler->methods[3];
    if (FAILED(compile(compiler, &buffer, arguments, 8, NULL, &IID_Result, (void **)&result))) return failed("Compile");
    HRESULT status = E_FAIL;
    ((GetStatus)result->methods[3])(result, &status);
    if (SUCCEEDED(((GetErrors)result->methods[5])(result, &errors)) && errors) {
        size_t length = ((GetSize)errors->methods[4])(errors);
        printf("%.*s", (int)length, (char *)((GetPointer)errors->methods[3])(errors));
    }
    return SUCCEEDED(status) ? 0 : 1;
}

int main(int count, char **arguments) {
    if (count != 5) return 2;
    FILE *file = fopen(arguments[4], "rb");
    if (!file) return failed(arguments[4]);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *source = malloc(size + 1);
    if (!source || fread(source, 1, size, file) != (size_t)size) return failed(arguments[4]);
    int is_fxc = arguments[1][0] == 'f';
    return (is_fxc ? fxc : dxc)(source, size, arguments[2], arguments[3]);
}
