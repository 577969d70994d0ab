"""The autoscaler: PodAutoscalers followed, pods and activators heard, decisions carried out."""
