package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/learning-credit-bank/creditbank/cmd/creditbankd/internal/backup"
)

// registerBackups shows how old the newest backups are, whoever made them: the directories are looked at when somebody asks, so that a
// backup that was never made, or was lost, shows as much as one that was.
func registerBackups(metrics prometheus.Registerer, c *config) error {
	for _, kept := range []struct{ store, dir string }{{backupOfLedger, c.backup.dir}, {backupOfVault, c.backup.vaultDir}} {
		gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "creditbank_backup_complete_time_seconds", Help: "When the newest complete backup was begun, in Unix seconds; 0: there is none that can be read.",
			ConstLabels: prometheus.Labels{storeLabel: kept.store},
		}, func() float64 {
			taken, err := backup.Newest(kept.dir)
			if err != nil {
				return 0
			}
			return float64(taken.UnixMilli()) / 1000
		})
		if err := metrics.Register(gauge); err != nil {
			return err
		}
	}
	return nil
}
