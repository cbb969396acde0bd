/* A libnvidia-ml.so.1 with one line of the file STATE for each GPU: utilisation, used bytes, then pid:bytes:share of
 * each process (bytes "-": not available), or "lost". Declarations as in the NVML API reference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK 0
#define NOT_FOUND 6
#define TOO_SMALL 7
#define LOST 15
#define MAX 8

typedef struct { unsigned int pid; unsigned long long bytes; unsigned int gpu, compute; } process_t;
typedef struct { unsigned int pid; unsigned long long time; unsigned int sm, mem, enc, dec; } sample_t;
typedef struct { int lost; unsigned int used; unsigned long long bytes; int count; process_t process[MAX]; unsigned int share[MAX]; } gpu_t;

static int read_gpus(gpu_t *gpus) {
    FILE *file = fopen(STATE, "r");
    char line[4096];
    int count = 0;
    if (!file) return 0;
    while (count < MAX && fgets(line, sizeof line, file)) {
        gpu_t *gpu = &gpus[count++];
        memset(gpu, 0, sizeof *gpu);
        gpu->lost = !strncmp(line, "lost", 4);
        char *word = strtok(line, " \n");
        if (gpu->lost || !word) continue;
        gpu->used = atoi(word);
        if ((word = strtok(NULL, " \n"))) gpu->bytes = strtoull(word, NULL, 10);
        while (gpu->count < MAX && (word = strtok(NULL, " \n"))) {
            process_t *process = &gpu->process[gpu->count];
            char amount[32];
            sscanf(word, "%u:%31[^:]:%u", &process->pid, amount, &gpu->share[gpu->count++]);
            process->bytes = *amount == '-' ? ~0ULL : strtoull(amount, NULL, 10);
        }
    }
    fclose(file);
    return count;
}

static gpu_t *gpu_of(void *handle) {
    static gpu_t gpus[MAX];
    read_gpus(gpus);
    return &gpus[(long)handle - 1];
}

int nvmlInitWithFlags(unsigned int flags) { return OK; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : "stub error"; }
int nvmlDeviceGetCount_v2(unsigned int *count) { gpu_t gpus[MAX]; *count = read_gpus(gpus); return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) { *handle = (void *)(long)(index + 1); return OK; }

int nvmlDeviceGetUtilizationRates(void *handle, unsigned int *rates) {
    gpu_t *gpu = gpu_of(handle);
    rates[0] = gpu->used;
    rates[1] = 0;
    return gpu->lost ? LOST : OK;
}

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) {
    gpu_t *gpu = gpu_of(handle);
    memory[0] = 16ULL << 30;
    memory[2] = gpu->bytes;
    memory[1] = memory[0] - memory[2];
    return gpu->lost ? LOST : OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, process_t *processes) {
    gpu_t *gpu = gpu_of(handle);
    unsigned int room = *count;
    *count = gpu->count;
    if (gpu->lost) return LOST;
    if (!gpu->count) return OK;
    if (!processes || room < (unsigned int)gpu->count) return TOO_SMALL;
    memcpy(processes, gpu->process, gpu->count * sizeof *processes);
    return OK;
}

int nvmlDeviceGetProcessUtilization(void *handle, sample_t *samples, unsigned int *count, unsigned long long since) {
    gpu_t *gpu = gpu_of(handle);
    if (!gpu->count) return NOT_FOUND;
    *count = gpu->count;
    if (!samples) return TOO_SMALL;
    for (int i = 0; i < gpu->count; i++) {
        memset(&samples[i], 0, sizeof *samples);
        samples[i].pid = gpu->process[i].pid;
        samples[i].time = since + 1;
        samples[i].sm = gpu->share[i];
    }
    return OK;
}
