// Usage: redis_v5 SCENARIO PORT NAME (see ../../scenarios.py).
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/redis.v5"
)

var address, name string

func require(ok bool, what ...interface{}) {
	if !ok {
		fmt.Println(append([]interface{}{"failed:"}, what...)...)
		os.Exit(1)
	}
}

func connected(options redis.Options) *redis.Client {
	options.Addr = address
	return redis.NewClient(&options)
}

func defined() *redis.Client {
	client := connected(redis.Options{PoolSize: 4})
	cmd := redis.NewIntCmd("HSET", name, "type", 3)
	client.Process(cmd)
	require(cmd.Err() == nil, cmd.Err())
	return client
}

func exchange(client *redis.Client) {
	cmd := redis.NewIntCmd("HSET", name, "type", 2, "length", 5)
	client.Process(cmd)
	require(cmd.Val() == 2, cmd.Err())
	require(client.Get(name).Val() == "00000", "GET")
	require(strings.Contains(client.Info(name).Val(), "generated:1"), "INFO")
	err := client.Get("no-such").Err()
	require(err != nil && strings.Contains(err.Error(), "dispenser not found"), err)
	require(client.Del(name).Val() == 1, "DEL")
}

func pool() {
	client := defined()
	numbers := make([]int, 200)
	var group sync.WaitGroup
	for i := range numbers {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			numbers[i], _ = strconv.Atoi(client.Get(name).Val())
		}(i)
	}
	group.Wait()
	sort.Ints(numbers)
	for i, number := range numbers {
		require(i == number, "a number came twice:", numbers)
	}
}

func ordered(run func(func(*redis.Pipeline) error) ([]redis.Cmder, error)) {
	replies, err := run(func(pipeline *redis.Pipeline) error {
		for i := 0; i < 1000; i++ {
			pipeline.Get(name)
		}
		return nil
	})
	require(err == nil && len(replies) == 1000, err, len(replies))
	for i, reply := range replies {
		require(reply.(*redis.StringCmd).Val() == strconv.Itoa(i), "order", i, reply)
	}
}

func reconnect() {
	client := defined()
	require(client.Get(name).Val() == "0", "GET")
	fmt.Println("restart")
	bufio.NewReader(os.Stdin).ReadString('\n')
	require(client.Get(name).Err() != nil, "the connection is lost")
	require(client.Get(name).Val() == "1", "GET after the restart")
}

func auth() {
	err := connected(redis.Options{Password: "wrong"}).Ping().Err()
	require(err != nil && strings.Contains(err.Error(), "WRONGPASS"), err)
	require(connected(redis.Options{Password: os.Getenv("SECRET")}).Ping().Err() == nil, "PING")
}

func encrypted() {
	certificate, err := os.ReadFile(os.Getenv("CA"))
	require(err == nil, err)
	roots := x509.NewCertPool()
	require(roots.AppendCertsFromPEM(certificate), "the certificate")
	exchange(connected(redis.Options{TLSConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}))
}

func main() {
	address, name = "127.0.0.1:"+os.Args[2], os.Args[3]
	scenarios := map[string]func(){
		"connect": func() { exchange(connected(redis.Options{})) }, "pool": pool,
		"pipeline":    func() { ordered(defined().Pipelined) },
		"transaction": func() { ordered(defined().TxPipelined) },
		"reconnect":   reconnect, "AUTH": auth, "TLS": encrypted,
	}
	scenarios[os.Args[1]]()
	fmt.Println("ok")
}
